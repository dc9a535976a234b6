import { assert, assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";

import { chooseLatents } from "../../lib/interpretation/choose_latents.ts";
import type { ReadableModel } from "../../lib/interpretation/encode_rows.ts";
import { collectTopExamples } from "../../lib/interpretation/top_examples.ts";
import { createRandom } from "../../lib/random.ts";
import { transformInput } from "../../lib/sae/input_transform.ts";
import type { Sae } from "../../lib/sae/sae.ts";
import { openTestDevice } from "../gpu_helper.ts";

const D = 6;
const M = 20;
const VOCABULARY = 15;
const LENGTH = 10;
const THRESHOLD = 0.8;

function numbers(count: number, seed: number): Float32Array {
  const random = createRandom(seed);
  return Float32Array.from({ length: count }, () => random.uniform() * 2 - 1);
}

const SAE: Sae = {
  architecture: "batchtopk",
  dModel: D,
  dictSize: M,
  wEnc: numbers(M * D, 1),
  bEnc: numbers(M, 2).map((b) => b / 4),
  wDec: numbers(M * D, 3),
  bDec: numbers(D, 4).map((b) => b / 4),
  k: 4,
  threshold: new Float32Array(M).fill(THRESHOLD),
  subtractDecoderBias: true,
  inputNormalization: "none",
  metadata: {},
};

const EMBEDDING = numbers(VOCABULARY * D, 5);
const PLACE = numbers(LENGTH * D, 6).map((value) => value / 2);

/** A model whose activations are a token's embedding plus its position's. */
const MODEL: ReadableModel = {
  dModel: D,
  activations(tokens, rows) {
    const length = tokens.length / rows;
    const data = new Float32Array(tokens.length * D);
    for (let at = 0; at < data.length; at++) {
      const token = tokens[Math.floor(at / D)];
      const position = Math.floor(at / D) % length;
      data[at] = EMBEDDING[token * D + at % D] + PLACE[position * D + at % D];
    }
    return Promise.resolve({ data, rows: tokens.length, cols: D });
  },
  tokenText: (token) => ` t${token}`,
};

function someRows(count: number): Int32Array[] {
  const random = createRandom(7);
  return Array.from(
    { length: count },
    () => Int32Array.from({ length: LENGTH }, () => random.below(VOCABULARY)),
  );
}

/** activations[row][position] of a latent in double precision. */
function bruteForce(rows: Int32Array[], latent: number): number[][] {
  return rows.map((row) =>
    Array.from(row, (token, position) => {
      let z = SAE.bEnc[latent];
      for (let c = 0; c < D; c++) {
        const x = EMBEDDING[token * D + c] + PLACE[position * D + c];
        z += SAE.wEnc[latent * D + c] * (x - SAE.bDec[c]);
      }
      return z > THRESHOLD ? z : 0;
    })
  );
}

Deno.test("collectTopExamples finds what a search through all activations finds", async () => {
  using gpu = await openTestDevice();
  const rows = someRows(37);
  const latents = Array.from({ length: M }, (_, latent) => latent);
  const options = { latents, examples: 5, rowsPerRun: 8, window: { before: 3, after: 2 } };
  const found = await collectTopExamples(gpu, MODEL, SAE, rows, options);
  assertEquals(found.map(({ latent }) => latent), latents);
  assert(found.some(({ examples }) => examples.length === 5), "the data are too easy");
  for (const { latent, density, maxActivation, histogram, examples } of found) {
    const all = bruteForce(rows, latent).map((row) => row.map((f, at) => at === 0 ? 0 : f));
    const active = all.flat().filter((f) => f > 0);
    assertAlmostEquals(density, active.length / (37 * (LENGTH - 1)));
    assertAlmostEquals(maxActivation, Math.max(0, ...active), 1e-5);
    assertEquals(histogram.counts.reduce((sum, count) => sum + count, 0), active.length);
    const expected = all.map((row, r) => ({ r, peak: Math.max(...row) }))
      .filter(({ peak }) => peak > 0)
      .sort((a, b) => b.peak - a.peak || a.r - b.r)
      .slice(0, 5);
    assertEquals(examples.map(({ row }) => row), expected.map(({ r }) => r));
    for (const [i, { row, position, tokens, activations, peak }] of examples.entries()) {
      assertEquals(all[row].indexOf(expected[i].peak), position);
      // Position 0 is never shown, so a window starts at 1 at the earliest.
      const start = Math.max(1, position - 3);
      assertEquals(peak, position - start);
      const end = Math.min(LENGTH, position + 3);
      assertEquals(tokens, Array.from(rows[row].slice(start, end), (token) => ` t${token}`));
      for (let at = start; at < end; at++) {
        assertAlmostEquals(activations[at - start], all[row][at], 1e-5);
      }
    }
  }
});

Deno.test("collectTopExamples is the same in any grouping of rows, and from a stream", async () => {
  using gpu = await openTestDevice();
  const rows = someRows(13);
  const wanted = await collectTopExamples(gpu, MODEL, SAE, rows, { rowsPerRun: 13 });
  assert(wanted.length > 0);
  async function* stream(): AsyncGenerator<Int32Array> {
    for (const row of rows) yield await Promise.resolve(row);
  }
  const shares: [number, number?][] = [];
  const found = await collectTopExamples(gpu, MODEL, SAE, stream(), {
    rowsPerRun: 4,
    onProgress: ({ done, total }) => shares.push([done, total]),
  });
  assertEquals(found, wanted);
  assertEquals(shares, [[4, 13], [8, 13], [12, 13], [13, 13]]);
});

Deno.test("collectTopExamples puts the lower of equal rows first, one context a row", async () => {
  using gpu = await openTestDevice();
  const [row] = someRows(1);
  const rows = Array.from({ length: 9 }, () => row);
  const latent = Array.from({ length: M }, (_, i) => i)
    .find((i) => Math.max(...bruteForce([row], i)[0].slice(1)) > 0)!;
  const options = { latents: [latent], examples: 4, rowsPerRun: 2 };
  const [{ examples }] = await collectTopExamples(gpu, MODEL, SAE, rows, options);
  assertEquals(examples.map(({ row }) => row), [0, 1, 2, 3]);
});

Deno.test("collectTopExamples chooses latents by their density, in one pass", async () => {
  using gpu = await openTestDevice();
  const rows = someRows(4);
  const density = Float64Array.from(
    { length: M },
    (_, latent) =>
      bruteForce(rows, latent).flatMap((row) => row.slice(1)).filter((f) => f > 0).length,
  ).map((actives) => actives / (rows.length * (LENGTH - 1)));
  let calls = 0;
  const model: ReadableModel = {
    ...MODEL,
    activations(tokens, rows) {
      calls++;
      return MODEL.activations(tokens, rows);
    },
  };
  const found = await collectTopExamples(gpu, model, SAE, rows, { count: 2 });
  assertEquals(found.map(({ latent }) => latent), [...chooseLatents(density, 2)]);
  assertEquals(calls, 1);
});

Deno.test("collectTopExamples shows a latent that is never active without contexts", async () => {
  using gpu = await openTestDevice();
  const sae = { ...SAE, threshold: new Float32Array(M).fill(100) };
  const found = await collectTopExamples(gpu, MODEL, sae, someRows(2), { latents: [4] });
  const histogram = { width: 0, counts: new Uint32Array() };
  assertEquals(found, [{ latent: 4, density: 0, maxActivation: 0, histogram, examples: [] }]);
  assertEquals(await collectTopExamples(gpu, MODEL, sae, someRows(2)), []);
});

Deno.test("collectTopExamples refuses what does not fit", async () => {
  using gpu = await openTestDevice();
  const rows = someRows(2);
  const refused = (
    message: string,
    tokenRows: Int32Array[],
    options = {},
    model: ReadableModel = MODEL,
  ) =>
    assertRejects(
      () => collectTopExamples(gpu, model, SAE, tokenRows, options),
      RangeError,
      message,
    );
  await refused("there were no token rows", []);
  await refused("token row 1 has 3 tokens, the first 10", [rows[0], rows[1].slice(0, 3)]);
  await refused("latents[0] is 20, expected a latent from 0 to 19", rows, { latents: [20] });
  await refused("the SAE's dModel is 6, the hook's is 7", rows, {}, { ...MODEL, dModel: 7 });
  await refused("examples is 0, expected a whole number above 0", rows, { examples: 0 });
  await refused("skipPositions leaves nothing of 1 positions", [rows[0].slice(0, 1)]);
  const signal = AbortSignal.abort(new Error("enough"));
  await assertRejects(
    () => collectTopExamples(gpu, MODEL, SAE, rows, { signal }),
    Error,
    "enough",
  );
});

Deno.test("collectTopExamples centres activations where the SAE wants them centred", async () => {
  using gpu = await openTestDevice();
  const sae: Sae = { ...SAE, inputTransform: "center" };
  const centred: ReadableModel = {
    ...MODEL,
    activations: async (tokens, rows) => transformInput(sae, await MODEL.activations(tokens, rows)),
  };
  const rows = someRows(8);
  const strongest = async (model: ReadableModel, sae: Sae) =>
    (await collectTopExamples(gpu, model, sae, rows, { latents: [0, 1, 2, 3] }))
      .map(({ maxActivation }) => maxActivation);
  const own = await strongest(MODEL, sae);
  const expected = await strongest(centred, SAE);
  own.forEach((value, i) => assertAlmostEquals(value, expected[i], 1e-5));
  assert((await strongest(MODEL, SAE)).some((value, i) => Math.abs(value - own[i]) > 0.01));
});
