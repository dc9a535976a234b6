// How Eq. 5's decoder bias, α·b₀ + (1 − α)·b₁, enters the error. Every residual r is kept with the small
// SAE's bias b₀ alone. With Δ = b₀ − b₁ the error is e = r + (1 − α)·s·Δ, s being the sample's scale of the
// input normalisation, so that Σ‖e‖² = Σ‖r‖² + 2(1 − α)·Σ s·r·Δ + (1 − α)²·Σ s²·‖Δ‖²: two sums
// over samples and one constant tell the error at any α.

/** What the error of a stitched SAE is made of. */
export interface ErrorSums {
  /** Σ over samples of ‖r‖². */
  squares: number;
  /** Σ over samples of s·r·Δ. */
  projection: number;
}

/** How many latents of each SAE are in. */
export interface LatentCounts {
  /** |L₀|. */
  small: number;
  /** |L₁|. */
  large: number;
}

/** 1 − α: the large SAE's share of the decoder bias in Eq. 5. */
export function largeShare({ small, large }: LatentCounts): number {
  return large / (small + large);
}

/** Σ over samples of ‖e‖². `bias` is Σ s²·‖Δ‖². */
export function mixedError(
  { squares, projection }: ErrorSums,
  bias: number,
  counts: LatentCounts,
): number {
  const share = largeShare(counts);
  return squares + 2 * share * projection + share * share * bias;
}

/**
 * By how much Σ‖e‖² changes: {@linkcode mixedError} after a change less that before it, without the loss of
 * digits that subtracting the two would bring (one latent of thousands changes the last ones only).
 */
export function mixedErrorChange(
  before: ErrorSums,
  change: ErrorSums,
  bias: number,
  counts: { before: LatentCounts; after: LatentCounts },
): number {
  const [from, to] = [largeShare(counts.before), largeShare(counts.after)];
  return change.squares + 2 * to * change.projection +
    (to - from) * (2 * before.projection + (to + from) * bias);
}
