import { assert, assertEquals } from "@std/assert";
import type { DeviceOptions } from "../../lib/device/device.ts";
import type { Matrix, SparseMatrix } from "../../lib/matrix.ts";
import { encode, reconstruct } from "../../lib/sae/encode.ts";
import type { InferenceOptions } from "../../lib/sae/encoded.ts";
import { openInference } from "../../lib/sae/inference.ts";
import type { Sae } from "../../lib/sae/sae.ts";
import {
  assertClose,
  type Open,
  randomMatrix,
  randomNumbers,
  randomSae,
  SMALL,
  testOnCpu,
  testOnDevices,
  TIGHT,
} from "../gpu_helper.ts";
import { combinationsOn, someOf } from "../depth.ts";
import { infer } from "../oracles/inference.ts";
import type { PlainSparse } from "../oracles/sparse.ts";

function assertCodes(actual: SparseMatrix, expected: PlainSparse, cols: number, name: string) {
  assertEquals(actual.rows, expected.offsets.length - 1, name);
  assertEquals(actual.cols, cols, name);
  assertEquals([...actual.rowOffsets], expected.offsets, name);
  assertEquals([...actual.latents], expected.latents, name);
  assertClose(actual.values, expected.values, name);
}

/** Runs encode, reconstruct and openInference, and compares them with the oracle. */
async function check(
  open: Open,
  sae: Sae,
  x: Matrix,
  options: InferenceOptions = {},
  gpuOptions: DeviceOptions = {},
  name = "",
) {
  using gpu = await open(gpuOptions);
  const copy = structuredClone({ sae, x });
  const expected = infer(sae, x, options.selection);
  assertCodes(await encode(gpu, sae, x, options), expected.codes, sae.dictSize, name);
  assertEquals(gpu.allocated, 0);
  const reconstruction = await reconstruct(gpu, sae, x, options);
  assertEquals([reconstruction.rows, reconstruction.cols], [x.rows, x.cols]);
  assertClose(reconstruction.data, expected.reconstruction, `${name}: reconstruction`);
  assertEquals(gpu.allocated, 0);
  {
    using inference = openInference(gpu, sae, options);
    const encoded = await inference.run(x);
    assertClose(encoded.squaredErrors, expected.squaredErrors, `${name}: squared errors`);
    assertEquals(encoded.residual, undefined);
    assert(gpu.allocated > 0);
  }
  assertEquals(gpu.allocated, 0);
  assertEquals({ sae, x }, copy);
  return expected.codes.latents.length;
}

const thresholds = (seed: number, m: number) =>
  randomNumbers(seed, m, 0.5).map((value) => value + 0.4);

const SHAPES = [[1, 1, 1], [3, 3, 2], [9, 48, 65], [20, 20, 130], [2, 130, 7]];

testOnDevices(
  "encode and reconstruct agree with the oracle, each latent with its threshold",
  async (open) => {
    using gpu = await open();
    const cases = combinationsOn(gpu, {
      shape: SHAPES,
      // The CPU has no limits that work is split by.
      gpuOptions: gpu.kind === "gpu" ? [{}, TIGHT] : [{}],
      subtractDecoderBias: [true, false],
    });
    for (const { shape: [n, d, m], gpuOptions, subtractDecoderBias } of cases) {
      const sae = randomSae(m, d, m, { threshold: thresholds(m, m), subtractDecoderBias });
      await check(open, sae, randomMatrix(n, n, d), {}, gpuOptions, `${n}×${d}×${m}`);
    }
  },
);

testOnDevices(
  "encode and reconstruct agree with the oracle, selecting as in training",
  async (open) => {
    using gpu = await open();
    const cases = combinationsOn(gpu, {
      shape: [[1, 1, 1, 1], [3, 3, 7, 2], [24, 20, 65, 4], [5, 5, 30, 30]],
      gpuOptions: gpu.kind === "gpu" ? [{}, SMALL] : [{}],
    });
    for (const { shape: [n, d, m, k], gpuOptions } of cases) {
      const sae = randomSae(m, d, m, { k });
      const x = randomMatrix(n, n, d);
      const name = `${n}×${d}×${m}`;
      const entries = await check(open, sae, x, { selection: "batch" }, gpuOptions, name);
      if (k < m / 3) assertEquals(entries, n * k);
    }
  },
);

testOnCpu("a relu SAE needs no threshold; a jumprelu one has its own", async (open) => {
  const x = randomMatrix(1, 9, 5);
  const relu = randomSae(1, 5, 30, { architecture: "relu" });
  assert(await check(open, relu, x) > 50);
  const jump = randomSae(1, 5, 30, { architecture: "jumprelu", threshold: thresholds(4, 30) });
  await check(open, jump, x);
});

testOnDevices("where every latent is active room is made for all", async (open) => {
  for (const gpuOptions of [{}, TIGHT]) {
    const sae = randomSae(2, 4, 100, {
      bEnc: new Float32Array(100).fill(50),
      threshold: new Float32Array(100).fill(1),
    });
    assertEquals(await check(open, sae, randomMatrix(1, 23, 4), {}, gpuOptions), 2300);
  }
});

/** Latent i reads dimension i. */
function identitySae(d: number, threshold: number): Sae {
  const eye = Float32Array.from({ length: d * d }, (_, at) => at % (d + 1) === 0 ? 1 : 0);
  const zeros = { bEnc: new Float32Array(d), bDec: new Float32Array(d) };
  const weights = { wEnc: eye, wDec: eye, ...zeros };
  return randomSae(1, d, d, { ...weights, threshold: new Float32Array(d).fill(threshold) });
}

testOnDevices("a pre-activation equal to its threshold is not active", async (open) => {
  using gpu = await open();
  const above = 0.3 + 2 ** -20;
  const limit = Math.fround(0.3);
  const x = { data: Float32Array.of(limit, above, limit, -limit, 1, 0), rows: 2, cols: 3 };
  const codes = await encode(gpu, identitySae(3, limit), x);
  assertEquals([...codes.rowOffsets], [0, 1, 2]);
  assertEquals([...codes.latents], [1, 1]);
  assertEquals([...codes.values], [Math.fround(above), 1]);
  // Neither threshold zero nor one below it lets zeros in.
  for (const threshold of [0, -1]) {
    const { latents } = await encode(gpu, identitySae(3, threshold), x);
    assertEquals([...latents], [0, 1, 2, 1]);
  }
});

testOnCpu("no rows give no codes", async (open) => {
  using gpu = await open();
  const x = { data: new Float32Array(0), rows: 0, cols: 3 };
  const codes = await encode(gpu, identitySae(3, 0), x);
  assertEquals([codes.rows, codes.cols, [...codes.rowOffsets]], [0, 3, [0]]);
  assertEquals((await reconstruct(gpu, identitySae(3, 0), x)).data.length, 0);
});

testOnCpu(
  "one inference serves matrices of any size, one after the other and at once",
  async (open) => {
    using gpu = await open(TIGHT);
    const sae = randomSae(5, 6, 130, { threshold: new Float32Array(130).fill(0.2) });
    using inference = openInference(gpu, sae);
    const all = [1, 20, 7, 8, 1, 14, 3].map((rows, seed) => randomMatrix(seed, rows, 6));
    const checkOne = async (x: Matrix) => {
      const expected = infer(sae, x);
      const { codes, squaredErrors, residual } = await inference.run(x, { residual: true });
      assertCodes(codes, expected.codes, 130, `${x.rows} rows`);
      assertClose(squaredErrors, expected.squaredErrors, `${x.rows} rows`);
      assertEquals(residual!.length, x.data.length);
    };
    for (const x of all) await checkOne(x);
    await Promise.all(all.map(checkOne));
  },
);

testOnDevices("a topk SAE keeps the k largest of each sample", async (open) => {
  for (const gpuOptions of [{}, TIGHT]) {
    const sae = { ...randomSae(4, 20, 130, { k: 3 }), architecture: "topk" as const };
    const active = await check(open, sae, randomMatrix(5, 9, 20), {}, gpuOptions, "topk");
    assertEquals(active, 27);
  }
});

testOnDevices("encode and reconstruct agree with the oracle, input normalised", async (open) => {
  const kinds = [
    { inputNormalization: "layer_norm" },
    { inputNormalization: "constant_norm_rescale" },
    { inputNormalization: "expected_average_only_in", inputScale: 0.4 },
  ] as const;
  using gpu = await open();
  for (const { kind, shape: [n, d, m] } of combinationsOn(gpu, { kind: kinds, shape: SHAPES })) {
    const threshold = thresholds(m, m);
    const sae = randomSae(m, d, m, { threshold, subtractDecoderBias: m > 65, ...kind });
    // A mean, samples of unlike sizes, and one of zeros.
    const x = randomMatrix(n, n, d);
    x.data.forEach((value, at) => {
      const row = Math.floor(at / d);
      x.data[at] = row === 2 ? 0 : (value + 0.7) * 10 ** (row % 3);
    });
    assert(infer(sae, x).squaredErrors.every(Number.isFinite));
    const name = `${kind.inputNormalization} ${n}×${d}×${m}`;
    await check(open, sae, x, {}, n > 5 ? TIGHT : {}, name);
  }
  for (const kind of gpu.kind === "gpu" ? someOf(kinds, 1) : kinds) {
    await check(open, randomSae(7, 20, 65, { k: 3, ...kind }), randomMatrix(2, 24, 20), {
      selection: "batch",
    });
  }
});
