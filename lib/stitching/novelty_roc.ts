/** Predictions of calling latents novel below one cosine threshold. */
export interface NoveltyPrediction {
  /** θ: a latent is called novel where its maximum cosine is below it (Eq. 6). */
  threshold: number;
  /** Share of the latents that improve the MSE which are called novel; undefined where none does. */
  truePositiveRate: number | undefined;
  /** Share of those that worsen it which are called novel; undefined where none does. */
  falsePositiveRate: number | undefined;
  /** Share of all latents whose effect is predicted correctly; undefined where there are none. */
  accuracy: number | undefined;
}

/** How well the maximum cosine predicts the sign of a latent's effect (Fig. 16). */
export interface NoveltyRoc {
  /** Latents that improve the MSE: the positive class. */
  improving: number;
  /** Latents that worsen it. */
  worsening: number;
  /** Latents excluded: never active, or with an effect of exactly zero. */
  leftOut: number;
  /**
   * The curve, from calling no latent novel, (0, 0), to calling all, (1, 1): one point for each threshold
   * that changes a prediction, in ascending order; the last is infinite.
   */
  points: NoveltyPrediction[];
  /**
   * Area under the curve: the probability that an improving latent has a lower cosine than a
   * worsening one, ties counting half (the Mann–Whitney statistic). Undefined where one
   * of the classes is empty.
   */
  auc: number | undefined;
  /**
   * The point with the largest Youden index, truePositiveRate − falsePositiveRate; of several, the
   * one with the lowest threshold. Undefined where one of the classes is empty.
   */
  best: NoveltyPrediction | undefined;
  /** The prediction at the threshold that was asked for. */
  at: NoveltyPrediction;
}

/** Options of {@linkcode noveltyRoc}. */
export interface NoveltyRocOptions {
  /** The threshold to report on (default 0.7, the paper's for GPT-2). */
  threshold?: number;
  /**
   * [m₁] how often each latent is active, in any unit; `latentEffects` gives it as `deltaL0`. Latents with 0
   * are excluded: their effect is only that of the mixed bias. Default: all
   * are active.
   */
  activity?: ArrayLike<number>;
}

/**
 * Does the maximum decoder cosine predict whether adding a latent to the small SAE improves it? The
 * ROC curve of Fig. 16, exact at ties.
 *
 * @param cosine [m₁] largest cosine of each latent of the large SAE with any of the small one.
 * @param deltaMse [m₁] change of the MSE when the latent is added alone; below zero: better.
 * @throws {RangeError} Arrays differ in length, or hold a value that is not a finite number.
 */
export function noveltyRoc(
  cosine: ArrayLike<number>,
  deltaMse: ArrayLike<number>,
  { threshold = 0.7, activity }: NoveltyRocOptions = {},
): NoveltyRoc {
  checkFinite(deltaMse, cosine.length, "deltaMse");
  checkFinite(cosine, cosine.length, "cosine");
  if (activity) checkFinite(activity, cosine.length, "activity");
  if (Number.isNaN(threshold)) throw new RangeError("threshold is NaN, expected a number");
  const latents = Array.from({ length: cosine.length }, (_, latent) => latent)
    .filter((latent) => deltaMse[latent] !== 0 && (activity?.[latent] ?? 1) !== 0)
    .sort((a, b) => cosine[a] - cosine[b]);
  const improving = latents.filter((latent) => deltaMse[latent] < 0).length;
  const worsening = latents.length - improving;
  const point = (threshold: number, truePositives: number, falsePositives: number) => ({
    threshold,
    truePositiveRate: share(truePositives, improving),
    falsePositiveRate: share(falsePositives, worsening),
    accuracy: share(truePositives + worsening - falsePositives, latents.length),
  });

  const points: NoveltyPrediction[] = [];
  let at = point(threshold, 0, 0);
  let best: { point: NoveltyPrediction; index: number } | undefined;
  let [truePositives, falsePositives, pairsTwice] = [0, 0, 0];
  for (let next = 0; next <= latents.length;) {
    const limit = next < latents.length ? cosine[latents[next]] : Infinity;
    const here = point(limit, truePositives, falsePositives);
    points.push(here);
    // Youden's index times both counts: whole numbers have no ties by rounding.
    const index = truePositives * worsening - falsePositives * improving;
    if (!best || index > best.index) best = { point: here, index };
    if (next === latents.length) break;
    let [tied, tiedWorse] = [0, 0];
    for (; next < latents.length && cosine[latents[next]] === limit; next++, tied++) {
      if (deltaMse[latents[next]] > 0) tiedWorse++;
    }
    // Twice the pairs in which the improving latent has the lower cosine, ties once.
    pairsTwice += tiedWorse * (2 * truePositives + tied - tiedWorse);
    truePositives += tied - tiedWorse;
    falsePositives += tiedWorse;
    if (limit < threshold) at = point(threshold, truePositives, falsePositives);
  }
  const both = improving > 0 && worsening > 0;
  return {
    improving,
    worsening,
    leftOut: cosine.length - latents.length,
    points,
    auc: both ? pairsTwice / (2 * improving * worsening) : undefined,
    best: both ? best!.point : undefined,
    at,
  };
}

function share(part: number, whole: number): number | undefined {
  return whole === 0 ? undefined : part / whole;
}

function checkFinite(numbers: ArrayLike<number>, length: number, name: string): void {
  if (numbers.length !== length) {
    throw new RangeError(`${name} has ${numbers.length} numbers, expected ${length} as cosine has`);
  }
  for (let at = 0; at < length; at++) {
    if (!Number.isFinite(numbers[at])) {
      throw new RangeError(`${name}[${at}] is ${numbers[at]}, expected a number`);
    }
  }
}
