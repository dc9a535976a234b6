import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { evaluateCrossEntropy } from "../../lib/evaluation/evaluate_cross_entropy.ts";
import { evaluateSae } from "../../lib/evaluation/evaluate_sae.ts";
import type { Device } from "../../lib/device/device.ts";
import type { Matrix, SparseMatrix } from "../../lib/matrix.ts";
import { encode, reconstruct } from "../../lib/sae/encode.ts";
import type { Selection } from "../../lib/sae/encoded.ts";
import { openInference } from "../../lib/sae/inference.ts";
import type { Sae } from "../../lib/sae/sae.ts";
import type { StitchedSae } from "../../lib/sae/stitched_sae.ts";
import { stitch, stitchedOrigin } from "../../lib/stitching/stitch.ts";
import {
  assertClose,
  randomMatrix,
  randomNumbers,
  SMALL,
  testOnCpu,
  testOnDevices,
  TIGHT,
} from "../gpu_helper.ts";
import { combinationsOn } from "../depth.ts";
import { type Choice, inferStitched } from "../oracles/stitched.ts";
import { ARCHITECTURES, choose, makeSae, NORMALIZATIONS } from "./made_saes.ts";
import { withSpliceLosses } from "../evaluation/with_splice_losses.ts";

const stitchChoice = ({ small, smallLatents, large, largeLatents }: Choice) =>
  stitch(small, large, { small: smallLatents, large: largeLatents });

function denseRows({ rows, cols, rowOffsets, latents, values }: SparseMatrix): number[][] {
  return Array.from({ length: rows }, (_, r) => {
    const dense = Array(cols).fill(0);
    for (let e = rowOffsets[r]; e < rowOffsets[r + 1]; e++) {
      assert(e === rowOffsets[r] || latents[e] > latents[e - 1], "latents of a row ascend");
      assert(values[e] > 0);
      dense[latents[e]] = values[e];
    }
    return dense;
  });
}

/** Compares all that runs a stitched SAE with the oracle; gives the number of entries. */
async function check(
  gpu: Device,
  choice: Choice,
  x: Matrix,
  selection?: Selection,
  name = "",
): Promise<number> {
  const stitched = stitchChoice(choice);
  const copy = structuredClone(stitched);
  const expected = inferStitched(choice, x, selection);
  const codes = await encode(gpu, stitched, x, { selection });
  assertEquals([codes.rows, codes.cols], [x.rows, stitched.dictSize]);
  const f = denseRows(codes).flat();
  assertEquals(f.map((value) => value > 0), expected.f.flat().map((value) => value > 0), name);
  assertClose(f, expected.f.flat(), `${name}: codes`);
  const { data } = await reconstruct(gpu, stitched, x, { selection });
  assertClose(data, expected.reconstruction, `${name}: reconstruction`);
  {
    using inference = openInference(gpu, stitched, { selection });
    const { squaredErrors, residual } = await inference.run(x);
    assertClose(squaredErrors, expected.squaredErrors, `${name}: squared errors`);
    assertEquals(residual, undefined);
  }
  assertEquals(gpu.allocated, 0);
  assertEquals(stitched, copy);
  return codes.latents.length;
}

testOnDevices("a stitched SAE of any two architectures agrees with the oracle", async (open) => {
  using wide = await open();
  using tight = await open(TIGHT);
  const shape = [[7, 5, 12, 20], [20, 20, 65, 70]];
  const lists = { ours: ARCHITECTURES, theirs: ARCHITECTURES, shape };
  for (const { ours, theirs, shape: [n, d, m0, m1] } of combinationsOn(wide, lists)) {
    const [one, other] = [ARCHITECTURES.indexOf(ours), ARCHITECTURES.indexOf(theirs)];
    const at = 1 + 2 * (one * ARCHITECTURES.length + other) + (n > 7 ? 1 : 0);
    const seed = 10 * at;
    const normalization = NORMALIZATIONS[at % 4];
    const shared = { d, normalization };
    const [ownBias, otherBias] = [seed % 3 > 0, seed % 4 > 0];
    const small = makeSae({
      ...{ ...shared, architecture: ours, seed, m: m0 },
      subtractDecoderBias: ownBias,
    });
    const large = makeSae({
      ...{ ...shared, architecture: theirs, seed: seed + 5, m: m1 },
      subtractDecoderBias: otherBias,
    });
    const choice = {
      ...{ small, smallLatents: choose(seed, m0, Math.ceil(m0 / 2)) },
      ...{ large, largeLatents: choose(seed + 1, m1, Math.ceil(m1 / 3)) },
    };
    const x = randomMatrix(seed, n, d);
    const name = `${ours} and ${theirs}, ${normalization}, seed ${seed}`;
    const gpu = n > 7 ? tight : wide;
    assert(await check(gpu, choice, x, undefined, name) > 0, name);
  }
});

testOnDevices("edge shapes: one row, one latent, none of one SAE, all of both", async (open) => {
  using gpu = await open();
  const all = Infinity;
  const lists = {
    pair: [["relu", "jumprelu"], ["topk", "relu"]],
    shape: [[1, 1, 1, 1], [3, 2, 1, 9], [2, 9, 4, 2]],
    chosen: [[1, 1], [all, 0], [0, all], [0, 1], [all, all]],
  } as const;
  for (const { pair: [ours, theirs], shape, chosen } of combinationsOn(gpu, lists)) {
    const [n, d, m0, m1] = shape;
    const small = makeSae({ architecture: ours, seed: n, d, m: m0, bEnc: ones(m0) });
    const large = makeSae({ architecture: theirs, seed: d + 9, d, m: m1, bEnc: ones(m1) });
    const [some, others] = [Math.min(chosen[0], m0), Math.min(chosen[1], m1)];
    const choice = {
      ...{ small, smallLatents: choose(1, m0, some) },
      ...{ large, largeLatents: choose(2, m1, others) },
    };
    await check(gpu, choice, randomMatrix(n, n, d), undefined, `${ours} ${some} ${others}`);
    const stitched = stitch(small, large, { small: [0], large: [] });
    const none = await encode(gpu, stitched, { data: new Float32Array(0), rows: 0, cols: d });
    assertEquals([none.rows, none.cols, [...none.rowOffsets]], [0, 1, [0]]);
  }
});

const ones = (length: number) => new Float32Array(length).fill(1);

testOnDevices("a selection goes for both SAEs", async (open) => {
  using gpu = await open(SMALL);
  const small = makeSae({ architecture: "batchtopk", seed: 1, d: 6, m: 30, k: 1.5 });
  const large = makeSae({ architecture: "batchtopk", seed: 9, d: 6, m: 40, k: 3 });
  const choice = { small, smallLatents: choose(1, 30, 30), large, largeLatents: choose(2, 40, 40) };
  const x = randomMatrix(1, 16, 6);
  assertEquals(await check(gpu, choice, x, "batch"), 16 * 4.5);
  const whole = { ...choice, small: { ...small, k: 2 } };
  assertEquals(await check(gpu, whole, x, "topk"), 16 * 5);
});

testOnCpu(
  "all latents of one SAE and none of the other are that SAE, bit by bit",
  async (open) => {
    using gpu = await open();
    for (const [at, architecture] of ARCHITECTURES.entries()) {
      for (const subtractDecoderBias of [true, false]) {
        const normalization = NORMALIZATIONS[(at + (subtractDecoderBias ? 0 : 2)) % 4];
        const options = { architecture, normalization, d: 9 };
        const one = makeSae({ ...options, seed: 1, m: 33, subtractDecoderBias });
        const two = makeSae({ ...options, seed: 2, m: 20 });
        const all = Array.from({ length: 33 }, (_, i) => i);
        const x = randomMatrix(3, 21, 9);
        const plain = { codes: await encode(gpu, one, x), own: await reconstruct(gpu, one, x) };
        for (
          const stitched of [
            stitch(one, two, { small: all, large: [] }),
            stitch(two, one, { small: [], large: all }),
          ]
        ) {
          assertEquals(stitched.bDec, one.bDec);
          assertEquals(await encode(gpu, stitched, x), plain.codes);
          const own = await reconstruct(gpu, stitched, x);
          // A topk SAE is decoded in float64.
          if (architecture === "topk") assertClose(own.data, plain.own.data, "topk", 1e-6);
          else assertEquals(own, plain.own);
        }
      }
    }
  },
);

testOnCpu(
  "the order of the chosen latents is that of the columns, and changes nothing else",
  async (open) => {
    using gpu = await open();
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...ARCHITECTURES),
        fc.constantFrom(...ARCHITECTURES),
        fc.nat(1000),
        async (ours, theirs, seed) => {
          const small = makeSae({ architecture: ours, seed, d: 4, m: 9 });
          const large = makeSae({ architecture: theirs, seed: seed + 7, d: 4, m: 11 });
          const [own, other] = [choose(seed, 9, 5), choose(seed + 1, 11, 6)];
          const shuffled = stitch(small, large, { small: own, large: other });
          const sorted = stitch(small, large, {
            small: own.toSorted(by),
            large: other.toSorted(by),
          });
          const x = randomMatrix(seed, 6, 4);
          const columns = async (stitched: StitchedSae) => {
            const rows = denseRows(await encode(gpu, stitched, x));
            return new Map(rows[0].map((_, i) => {
              const { sae, latent } = stitchedOrigin(stitched, i);
              return [`${sae} ${latent}`, rows.map((row) => row[i])];
            }));
          };
          assertEquals(await columns(shuffled), await columns(sorted));
          const [a, b] = [await reconstruct(gpu, shuffled, x), await reconstruct(gpu, sorted, x)];
          assertClose(a.data, b.data, "reconstruction", 1e-5);
        },
      ),
      { numRuns: 12 },
    );
  },
);

const by = (a: number, b: number) => a - b;

testOnCpu(
  "a stitched SAE that goes by thresholds takes the memory of its latents alone",
  async (open) => {
    using gpu = await open();
    const make = (m: number, seed: number) => makeSae({ architecture: "jumprelu", seed, d: 8, m });
    const memory = async (sae: Sae | StitchedSae) => {
      using inference = openInference(gpu, sae);
      await inference.run(randomMatrix(1, 4, 8));
      return gpu.allocated;
    };
    const stitched = stitch(make(500, 1), make(900, 2), { small: [3, 499], large: [0, 7, 899] });
    assertEquals(await memory(stitched), await memory(make(5, 3)));
  },
);

testOnCpu("evaluateSae measures a stitched SAE", async (open) => {
  using gpu = await open();
  for (const architecture of ["batchtopk", "topk"] as const) {
    const small = makeSae({ architecture, seed: 5, d: 6, m: 10 });
    const large = makeSae({ architecture: "relu", seed: 6, d: 6, m: 14 });
    const choice = { small, smallLatents: [9, 1, 0], large, largeLatents: [13, 2] };
    const batches = [9, 1, 12].map((rows, seed) => randomMatrix(seed, rows, 6));
    const { mse, l0, density, samples } = await evaluateSae(gpu, stitchChoice(choice), batches);
    const all = batches.map((x) => inferStitched(choice, x));
    const errors = all.flatMap(({ squaredErrors }) => squaredErrors);
    const rows = all.flatMap(({ f }) => f);
    const sum = (values: number[]) => values.reduce((total, value) => total + value, 0);
    const expected = choice.smallLatents.concat(choice.largeLatents)
      .map((_, i) => rows.filter((row) => row[i] > 0).length / 22);
    assertEquals(samples, 22);
    assertAlmostEquals(mse, sum(errors) / 22, 1e-4 * mse);
    assertEquals([...density], expected);
    assertAlmostEquals(l0, sum(expected), 1e-9);
  }
});

testOnCpu("evaluateCrossEntropy splices a stitched SAE", async (open) => {
  using gpu = await open();
  const small = makeSae({ architecture: "jumprelu", seed: 5, d: 3, m: 10 });
  const large = makeSae({ architecture: "topk", seed: 6, d: 3, m: 14 });
  const choice = { small, smallLatents: [9, 1, 0], large, largeLatents: [13, 2] };
  const table = randomMatrix(1, 8, 3);
  const tokens = Int32Array.of(5, 1, 7, 2);
  const x = { data: new Float32Array(12), rows: 4, cols: 3 };
  tokens.forEach((token, at) => x.data.set(table.data.subarray(3 * token, 3 * token + 3), 3 * at));
  const model = withSpliceLosses({
    dModel: 3,
    activations: () => Promise.resolve(x),
    crossEntropy: (_: Int32Array, __: number, own: Matrix = x) =>
      Promise.resolve(
        Float32Array.from([0, 1, 2], (at) => own.data[3 * at] + own.data[3 * at + 2]),
      ),
  });
  const { spliced } = await evaluateCrossEntropy(gpu, model, stitchChoice(choice), [tokens]);
  const own = { data: x.data.subarray(3), rows: 3, cols: 3 };
  const { reconstruction } = inferStitched(choice, own);
  const losses = [0, 1].map((at) => reconstruction[3 * at] + reconstruction[3 * at + 2]);
  assertAlmostEquals(spliced, (losses[0] + losses[1]) / 2, 1e-5);
});

Deno.test("stitchedOrigin finds back the latent, and refuses one that is not there", () => {
  const small = makeSae({ architecture: "relu", seed: 1, d: 2, m: 5 });
  const large = makeSae({ architecture: "relu", seed: 2, d: 2, m: 8 });
  const stitched = stitch(small, large, { small: [4, 0], large: Uint32Array.of(7) });
  assertEquals([0, 1, 2].map((i) => stitchedOrigin(stitched, i)), [
    { sae: "small", latent: 4 },
    { sae: "small", latent: 0 },
    { sae: "large", latent: 7 },
  ]);
  for (const bad of [-1, 3, 0.5, NaN]) {
    assertThrows(
      () => stitchedOrigin(stitched, bad),
      RangeError,
      `latent is ${bad}, expected a latent from 0 to 2`,
    );
  }
});

Deno.test("stitch refuses latents that do not exist, twice the same and none", () => {
  const small = makeSae({ architecture: "relu", seed: 1, d: 2, m: 5 });
  const large = makeSae({ architecture: "relu", seed: 2, d: 2, m: 8 });
  const cases: [number[], number[], string][] = [
    [[], [], "no latent of either SAE was chosen, expected some"],
    [[0, 5], [], "smallLatents[1] is 5, expected a latent from 0 to 4"],
    [[-1], [], "smallLatents[0] is -1, expected a latent from 0 to 4"],
    [[0.5], [], "smallLatents[0] is 0.5, expected a latent from 0 to 4"],
    [[0], [1, 8], "largeLatents[1] is 8, expected a latent from 0 to 7"],
    [[], [3, 1, 3], "largeLatents[2] is 3, which is given twice"],
  ];
  for (const [own, other, text] of cases) {
    assertThrows(() => stitch(small, large, { small: own, large: other }), RangeError, text);
  }
});

testOnCpu(
  "a stitched SAE that cannot be run is refused, by name, and frees what it took",
  async (open) => {
    using gpu = await open();
    const small = makeSae({ architecture: "topk", seed: 1, d: 3, m: 5 });
    const large = makeSae({ architecture: "batchtopk", seed: 2, d: 3, m: 8 });
    const good = stitch(small, large, { small: [1], large: [2] });
    const bare = { ...large, threshold: undefined };
    const other = makeSae({ architecture: "relu", seed: 1, d: 4, m: 5 });
    const cases: [Partial<StitchedSae>, Selection | undefined, string][] = [
      [{ large: bare }, undefined, "the batchtopk SAE has no threshold"],
      [
        { small: bare, smallLatents: Uint32Array.of(7) },
        undefined,
        "the batchtopk SAE has no threshold",
      ],
      [{ large: { ...large, k: undefined } }, "batch", `selection "batch" needs the SAE's k`],
      [{}, "threshold", "the topk SAE has no threshold"],
      [{ large: other }, undefined, "large.dModel is 4, expected 3 as the small SAE has"],
      [{ dModel: 4 }, undefined, "the stitched SAE's dModel is 4, expected 3"],
      [{ dictSize: 3 }, undefined, "the stitched SAE's dictSize is 3, expected 2"],
      [{ bDec: randomNumbers(1, 4) }, undefined, "the stitched SAE's bDec.length is 4, expected 3"],
      [{ small: { ...small, k: 9 } }, undefined, "small.k is 9, expected a whole number from 1"],
      [{ smallLatents: Uint32Array.of(5) }, undefined, "smallLatents[0] is 5, expected a latent"],
      [{ largeLatents: Uint32Array.of(8) }, undefined, "largeLatents[0] is 8, expected a latent"],
    ];
    for (const [more, selection, text] of cases) {
      const error = assertThrows(() => openInference(gpu, { ...good, ...more }, { selection }));
      assertEquals((error as Error).message.slice(0, text.length), text);
      assertEquals(gpu.allocated, 0);
    }
  },
);
