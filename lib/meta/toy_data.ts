import type { Matrix } from "../matrix.ts";
import { createRandom, type Random } from "../random.ts";
import { checkNumber } from "../sae/check_numbers.ts";
import { checkWhole } from "../whole_number.ts";
import { normal } from "./normal.ts";

/** Options of {@linkcode toyData}. */
export interface ToyDataOptions {
  /** Number of colours (default 3), or the share of each in the data, which sum to 1. */
  colours?: number | readonly number[];
  /** Number of shapes (default 3), or the share of each in the data, which sum to 1. */
  shapes?: number | readonly number[];
  /** Width d of the data (default 16), at least colours + shapes. */
  dModel?: number;
  /** Standard deviation of the noise on each number (default 0.02). */
  noise?: number;
  /** Seed of directions and noise, a whole number (default 0). */
  seed?: number;
}

/** Data with two independent categorical factors, and what an SAE may find in them. */
export interface ToyData {
  /** Number of colours. */
  colours: number;
  /** Number of shapes. */
  shapes: number;
  /** [colours + shapes, d] each colour minus the mean colour, each shape minus the mean shape. */
  factors: Matrix;
  /** [colours · shapes, d] each sum of a colour and a shape of `factors`; shapes vary first. */
  pairs: Matrix;
  /** Samples without end, [batchSize, d] each; the same ones each time it is called. */
  batches(batchSize: number): Generator<Matrix>;
}

/**
 * The data of Fig. 2: every sample is a colour plus a shape, x = c_i + s_j + noise, whose directions
 * are orthogonal and of norm 1.
 *
 * Moving all colours by some vector and all shapes by its opposite gives the same samples, and the
 * decoder bias takes up any common part: where the colours are cannot be told from the data, only how
 * they differ. Of that freedom L1 leaves the choice with the smallest activations, which for equal
 * shares are the differences from the mean, so these are what `factors` holds: c_i − c̄ and s_j − s̄,
 * the means taken by the shares.
 *
 * @throws {RangeError} A number of values, a share or the noise does not fit, or d is too small.
 */
export function toyData(options: ToyDataOptions = {}): ToyData {
  const { dModel = 16, noise = 0.02, seed = 0 } = options;
  const colours = sharesOf(options.colours ?? 3, "colours");
  const shapes = sharesOf(options.shapes ?? 3, "shapes");
  checkWhole(dModel, "dModel");
  checkNumber(noise, 0, "noise");
  if (dModel < colours.length + shapes.length) {
    throw new RangeError(
      `dModel is ${dModel}, expected at least ${colours.length} colours + ${shapes.length} shapes`,
    );
  }
  const random = createRandom(seed);
  const directions = orthogonal(colours.length + shapes.length, dModel, random);
  const begin = random.state();
  const own = {
    colours: directions.slice(0, colours.length),
    shapes: directions.slice(colours.length),
  };
  const colourFactors = centered(own.colours, colours);
  const shapeFactors = centered(own.shapes, shapes);
  const means = combine(own.colours, own.shapes);
  const ends = cumulative(colours.flatMap((a) => shapes.map((b) => a * b)));
  return {
    colours: colours.length,
    shapes: shapes.length,
    factors: toMatrix([...colourFactors, ...shapeFactors]),
    pairs: toMatrix(combine(colourFactors, shapeFactors)),
    *batches(batchSize) {
      checkWhole(batchSize, "batchSize");
      const random = createRandom(begin);
      while (true) {
        const data = new Float32Array(batchSize * dModel);
        for (let r = 0; r < batchSize; r++) {
          // One draw from each of batchSize equal parts of [0, 1): a batch holds each pair as often as
          // its share says. Left to chance, pairs that a batch lacks slow the training down.
          const place = (r + random.uniform()) / batchSize;
          const mean = means[ends.findIndex((end) => place < end)];
          for (let c = 0; c < dModel; c++) data[r * dModel + c] = mean[c] + noise * normal(random);
        }
        yield { data, rows: batchSize, cols: dModel };
      }
    },
  };
}

function sharesOf(given: number | readonly number[], name: string): readonly number[] {
  if (typeof given === "number") {
    checkWhole(given, name);
    return Array(given).fill(1 / given);
  }
  const sum = given.reduce((total, share) => total + share, 0);
  if (given.length === 0 || given.some((share) => !(share > 0)) || Math.abs(sum - 1) > 1e-6) {
    throw new RangeError(`${name} is [${given}], expected shares above 0 that sum to 1`);
  }
  return given;
}

/** Random directions of norm 1, each at a right angle to those before it. */
function orthogonal(count: number, width: number, random: Random): number[][] {
  const found: number[][] = [];
  while (found.length < count) {
    const drawn = Array.from({ length: width }, () => normal(random));
    for (const other of found) {
      const along = other.reduce((sum, value, c) => sum + value * drawn[c], 0);
      other.forEach((value, c) => drawn[c] -= along * value);
    }
    const norm = Math.hypot(...drawn);
    found.push(drawn.map((value) => value / norm));
  }
  return found;
}

function centered(directions: number[][], shares: readonly number[]): number[][] {
  const mean = directions[0].map((_, c) =>
    directions.reduce((sum, direction, i) => sum + shares[i] * direction[c], 0)
  );
  return directions.map((direction) => direction.map((value, c) => value - mean[c]));
}

function combine(colours: number[][], shapes: number[][]): number[][] {
  return colours.flatMap((colour) => shapes.map((shape) => colour.map((v, c) => v + shape[c])));
}

function cumulative(shares: number[]): number[] {
  let sum = 0;
  const ends = shares.map((share) => sum += share);
  // Whatever rounding makes of the sum, the last pair takes the rest.
  ends[ends.length - 1] = Infinity;
  return ends;
}

function toMatrix(vectors: number[][]): Matrix {
  return {
    data: Float32Array.from(vectors.flat()),
    rows: vectors.length,
    cols: vectors[0].length,
  };
}
