import { assert, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { toyData, type ToyDataOptions } from "../../lib/meta/toy_data.ts";
import type { Matrix } from "../../lib/matrix.ts";
import { assertClose } from "../gpu_helper.ts";

const row = ({ data, cols }: Matrix, r: number) => [...data.subarray(r * cols, (r + 1) * cols)];
const plus = (a: number[], b: number[], factor = 1) => a.map((value, c) => value + factor * b[c]);
const dot = (a: number[], b: number[]) => a.reduce((sum, value, c) => sum + value * b[c], 0);

Deno.test("factors are differences from the mean, pairs are their sums, samples a colour plus a shape", () => {
  const shares = [0.5, 0.25, 0.25];
  const toy = toyData({ colours: shares, shapes: 2, dModel: 7, noise: 0, seed: 3 });
  assertEquals([toy.colours, toy.shapes, toy.factors.rows, toy.pairs.rows], [3, 2, 5, 6]);
  const factors = Array.from({ length: 5 }, (_, i) => row(toy.factors, i));
  const zero = factors.slice(0, 3).reduce((sum, f, i) => plus(sum, f, shares[i]), Array(7).fill(0));
  assert(Math.hypot(...zero) < 1e-6);
  assert(Math.hypot(...plus(factors[3], factors[4])) < 1e-6);
  // Colours are at a distance of √2 from one another, at right angles to shapes.
  for (const [a, b] of [[0, 1], [1, 2], [3, 4]]) {
    assert(Math.abs(Math.hypot(...plus(factors[a], factors[b], -1)) - Math.SQRT2) < 1e-6);
  }
  assert(Math.abs(dot(factors[0], factors[3])) < 1e-6);
  for (let i = 0; i < 3; i++) {
    for (let j = 0; j < 2; j++) {
      assertClose(row(toy.pairs, 2 * i + j), plus(factors[i], factors[3 + j]), "pair", 1e-6);
    }
  }
  // Samples differ from their mean by a pair, each as often as its share says.
  const batch: Matrix = toy.batches(16).next().value!;
  const samples = Array.from({ length: 16 }, (_, r) => row(batch, r));
  const mean = samples.reduce((sum, x) => plus(sum, x, 1 / 16), Array(7).fill(0));
  const counts = Array(6).fill(0);
  for (const x of samples) {
    const distances = counts.map((_, p) =>
      Math.hypot(...plus(plus(x, mean, -1), row(toy.pairs, p), -1))
    );
    const nearest = distances.indexOf(Math.min(...distances));
    assert(distances[nearest] < 1e-5);
    counts[nearest]++;
  }
  assertEquals(counts, [4, 4, 2, 2, 2, 2]);
});

Deno.test("samples repeat with the seed, and noise has its size", () => {
  const take = (options: ToyDataOptions) => toyData(options).batches(90).next().value!.data;
  assertEquals(take({ seed: 1 }), take({ seed: 1 }));
  assertNotEquals(take({ seed: 2 }), take({ seed: 1 }));
  const toy = toyData({ noise: 0.1 });
  const [a, b]: Matrix[] = [
    toy.batches(900).next().value!,
    toyData({ noise: 0 }).batches(900).next().value!,
  ];
  const squares = a.data.reduce((sum, value, at) => sum + (value - b.data[at]) ** 2, 0);
  const size = Math.sqrt(squares / a.data.length);
  // Both draw the same numbers, one multiplies them by zero.
  assert(Math.abs(size - 0.1) < 0.01, `${size}`);
});

Deno.test("toyData names what does not fit", () => {
  const cases: [ToyDataOptions, string][] = [
    [{ colours: 0 }, "colours is 0, expected a whole number above 0"],
    [{ shapes: [0.5, 0.4] }, "shapes is [0.5,0.4], expected shares above 0 that sum to 1"],
    [{ shapes: [1.5, -0.5] }, "shapes is [1.5,-0.5], expected shares above 0 that sum to 1"],
    [{ dModel: 5 }, "dModel is 5, expected at least 3 colours + 3 shapes"],
    [{ noise: -1 }, "noise is -1, expected a number of at least 0"],
    [{ seed: 0.5 }, "seed is 0.5, expected a whole number"],
  ];
  for (const [options, text] of cases) assertThrows(() => toyData(options), RangeError, text);
});
