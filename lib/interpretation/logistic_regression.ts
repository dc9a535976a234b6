import type { Matrix } from "../matrix.ts";
import { columnMeans } from "../mean.ts";

/** A binary classifier: the log odds of a sample x are x · weights + bias. */
export interface LogisticModel {
  /** One weight per feature. */
  weights: Float64Array;
  /** Added to the weighted sum; not penalised. */
  bias: number;
}

/** Options of {@linkcode fitLogistic}. */
export interface LogisticOptions {
  /** Weight of the losses beside the penalty, as scikit-learn's `C` (default 1). */
  c?: number;
}

/** Newton steps after which the fit is given up; well-posed problems take 5 to 15. */
const MOST_STEPS = 100;

/**
 * Fits a logistic regression with an L2 penalty, the objective that scikit-learn's `LogisticRegression`
 * has: ½·‖w‖² + C · Σ log(1 + exp(−y·(x·w + b))), y being 1 or −1; features are taken as they are. The
 * objective is strictly convex in w, so that there is one solution, which is found to rounding: nothing
 * has to be chosen on held-out data. Newton's method; each step is solved by conjugate gradients with a
 * diagonal preconditioner, so that d features take O(n·d) numbers and no [d, d] matrix.
 *
 * @param x Samples, [n, d].
 * @param positive Whether each sample is of the class, [n]: 1 or 0.
 * @throws {RangeError} Sizes differ, all samples are of one class, or a number is not finite.
 */
export function fitLogistic(
  x: Matrix,
  positive: ArrayLike<number>,
  options: LogisticOptions = {},
): LogisticModel {
  const { c = 1 } = options;
  checkSamples(x, positive, c);
  // Without the mean, weights and bias hardly depend on each other: conjugate gradients need fewer steps.
  // The bias is not penalised, so moving it changes nothing.
  const mean = columnMeans(x);
  const problem = { x, mean, positive, c };
  const size = x.cols + 1;
  let point = new Float64Array(size);
  let state = evaluate(problem, point);
  for (let step = 0; step < MOST_STEPS; step++) {
    const gradient = gradientAt(problem, point, state.probability);
    const direction = newtonDirection(problem, state.probability, gradient);
    const decrease = -dot(gradient, direction);
    // Half of it is what Newton's model still expects to gain.
    if (decrease <= 1e-14 * state.loss) break;
    let length = 1;
    let next: Float64Array<ArrayBuffer>;
    let tried: Evaluated;
    do {
      next = point.map((value, i) => value + length * direction[i]);
      tried = evaluate(problem, next);
      length /= 2;
    } while (tried.loss > state.loss - 1e-4 * 2 * length * decrease && length > 1e-10);
    if (!(tried.loss < state.loss)) break;
    [point, state] = [next, tried];
  }
  const weights = point.slice(0, x.cols);
  return { weights, bias: point[x.cols] - dot(weights, mean) };
}

/** The log odds of each sample, [n]: above 0 it is taken for one of the class. */
export function logOdds(x: Matrix, { weights, bias }: LogisticModel): Float64Array {
  if (weights.length !== x.cols) {
    throw new RangeError(`the model has ${weights.length} weights, the samples ${x.cols} features`);
  }
  const odds = new Float64Array(x.rows).fill(bias);
  for (let r = 0; r < x.rows; r++) {
    for (let i = 0, at = r * x.cols; i < x.cols; i++) odds[r] += x.data[at + i] * weights[i];
  }
  return odds;
}

interface Problem {
  x: Matrix;
  mean: Float64Array;
  positive: ArrayLike<number>;
  c: number;
}

interface Evaluated {
  loss: number;
  /** Probability that each sample is of the class. */
  probability: Float64Array;
}

/** `point` holds the weights and then the bias, of samples without their mean. */
function evaluate({ x, mean, positive, c }: Problem, point: Float64Array): Evaluated {
  const probability = new Float64Array(x.rows);
  const offset = point[x.cols] - dot(point.subarray(0, x.cols), mean);
  let loss = 0;
  for (let r = 0; r < x.rows; r++) {
    let z = offset;
    for (let i = 0, at = r * x.cols; i < x.cols; i++) z += x.data[at + i] * point[i];
    probability[r] = 1 / (1 + Math.exp(-z));
    const wrong = positive[r] ? -z : z;
    loss += Math.max(wrong, 0) + Math.log1p(Math.exp(-Math.abs(wrong)));
  }
  loss *= c;
  for (let i = 0; i < x.cols; i++) loss += point[i] * point[i] / 2;
  return { loss, probability };
}

function gradientAt(problem: Problem, point: Float64Array, probability: Float64Array) {
  const { x, positive, c } = problem;
  const excess = probability.map((p, r) => c * (p - (positive[r] ? 1 : 0)));
  const gradient = columnSums(problem, excess);
  for (let i = 0; i < x.cols; i++) gradient[i] += point[i];
  return gradient;
}

/** Σ_r weight_r · (x_r − mean), and last Σ_r weight_r. */
function columnSums({ x, mean }: Problem, weight: Float64Array): Float64Array<ArrayBuffer> {
  const sums = new Float64Array(x.cols + 1);
  for (let r = 0; r < x.rows; r++) {
    const w = weight[r];
    sums[x.cols] += w;
    if (w === 0) continue;
    for (let i = 0, at = r * x.cols; i < x.cols; i++) sums[i] += w * x.data[at + i];
  }
  for (let i = 0; i < x.cols; i++) sums[i] -= sums[x.cols] * mean[i];
  return sums;
}

/** Solves H · direction = −gradient, H = diag(1, …, 1, 0) + C · Σ p(1 − p) · x̃·x̃ᵀ with x̃ = (x − mean, 1). */
function newtonDirection(problem: Problem, probability: Float64Array, gradient: Float64Array) {
  const { x, mean, c } = problem;
  const curvature = probability.map((p) => c * p * (1 - p));
  const diagonal = new Float64Array(x.cols + 1).fill(1);
  diagonal[x.cols] = 1e-12;
  for (let r = 0; r < x.rows; r++) {
    diagonal[x.cols] += curvature[r];
    for (let i = 0, at = r * x.cols; i < x.cols; i++) {
      const centred = x.data[at + i] - mean[i];
      diagonal[i] += curvature[r] * centred * centred;
    }
  }
  const hessianTimes = (v: Float64Array): Float64Array => {
    const offset = v[x.cols] - dot(v.subarray(0, x.cols), mean);
    const weight = new Float64Array(x.rows);
    for (let r = 0; r < x.rows; r++) {
      let z = offset;
      for (let i = 0, at = r * x.cols; i < x.cols; i++) z += x.data[at + i] * v[i];
      weight[r] = curvature[r] * z;
    }
    const product = columnSums(problem, weight);
    for (let i = 0; i < x.cols; i++) product[i] += v[i];
    return product;
  };
  const direction = new Float64Array(x.cols + 1);
  const residual = gradient.map((value) => -value);
  let conditioned = residual.map((value, i) => value / diagonal[i]);
  let conjugate = conditioned.slice();
  let size = dot(residual, conditioned);
  // A residual of 1e-8 of the gradient: Newton's method converges quadratically with it.
  const enough = 1e-16 * size;
  for (let step = 0; step < 20 * (x.cols + 1) && size > enough; step++) {
    const product = hessianTimes(conjugate);
    const along = dot(conjugate, product);
    if (!(along > 0)) break;
    const length = size / along;
    for (let i = 0; i <= x.cols; i++) {
      direction[i] += length * conjugate[i];
      residual[i] -= length * product[i];
    }
    conditioned = residual.map((value, i) => value / diagonal[i]);
    const next = dot(residual, conditioned);
    conjugate = conditioned.map((value, i) => value + next / size * conjugate[i]);
    size = next;
  }
  return direction;
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}

function checkSamples(x: Matrix, positive: ArrayLike<number>, c: number): void {
  if (x.data.length !== x.rows * x.cols || x.cols < 1) {
    throw new RangeError(
      `the samples are ${x.rows} × ${x.cols} with ${x.data.length} numbers, expected rows · columns`,
    );
  }
  if (positive.length !== x.rows) {
    throw new RangeError(`positive has ${positive.length} entries, there are ${x.rows} samples`);
  }
  if (!(c > 0 && c < Infinity)) throw new RangeError(`c is ${c}, expected a number above 0`);
  const count = Array.from(positive).filter((value) => value).length;
  if (count === 0 || count === x.rows) {
    throw new RangeError(`${count} of ${x.rows} samples are positive, expected both kinds`);
  }
  const bad = x.data.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) {
    throw new RangeError(
      `feature ${bad % x.cols} of sample ${Math.floor(bad / x.cols)} is ${x.data[bad]}`,
    );
  }
}
