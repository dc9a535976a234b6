/**
 * Chooses latents that are worth a person's look: the active ones with a density from 1e-4 to 0.1,
 * ranked by density, evenly spaced in rank, densest first. Rarer latents have too few examples to
 * show a pattern, denser ones are active nearly everywhere; the middle of each stretch of ranks is
 * taken, so that the extremes are not overrepresented. Where fewer than `count` latents lie in that
 * range (a small dictionary, few samples), all active latents are ranked.
 *
 * @param density Share of samples in which each latent is active, [m].
 * @param count Most latents to choose.
 * @returns At most `count` latents; of equal density, the lower one ranks first.
 */
export function chooseLatents(density: ArrayLike<number>, count: number): Uint32Array {
  const active = Array.from({ length: density.length }, (_, latent) => latent)
    .filter((latent) => density[latent] > 0);
  const middle = active.filter((latent) => density[latent] >= 1e-4 && density[latent] <= 0.1);
  const ranked = (middle.length < count ? active : middle)
    .sort((a, b) => density[b] - density[a] || a - b);
  const chosen = Math.min(count, ranked.length);
  return Uint32Array.from(
    { length: chosen },
    (_, i) => ranked[Math.floor((i + 0.5) * ranked.length / chosen)],
  );
}
