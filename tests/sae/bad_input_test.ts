import { assert, assertEquals, assertInstanceOf, assertRejects, assertThrows } from "@std/assert";
import { DeviceError } from "../../lib/device/errors.ts";
import type { Matrix } from "../../lib/matrix.ts";
import { encode, reconstruct } from "../../lib/sae/encode.ts";
import type { Selection } from "../../lib/sae/encoded.ts";
import { openInference } from "../../lib/sae/inference.ts";
import type { Sae } from "../../lib/sae/sae.ts";
import { howMany } from "../depth.ts";
import {
  assertClose,
  openGpu,
  randomMatrix,
  randomSae,
  testOnCpu,
  testOnDevices,
  TIGHT,
  withFree,
} from "../gpu_helper.ts";
import { infer } from "../oracles/inference.ts";

const [D, M] = [5, 16];
const threshold = new Float32Array(M).fill(0.1);
const good = randomSae(1, D, M, { threshold, k: 2 });

/** An SAE of m latents, all of them active in every sample. */
const allActive = (m: number) =>
  randomSae(1, D, m, { threshold: new Float32Array(m), bEnc: new Float32Array(m).fill(9) });

testOnCpu("an SAE that cannot be run is refused, by name", async (open) => {
  using gpu = await open();
  const bare = { ...good, threshold: undefined };
  const cases: [Partial<Sae>, Selection | undefined, string][] = [
    [{ dModel: 0 }, undefined, "sae.dModel is 0, expected a whole number above 0"],
    [{ dictSize: 15 }, undefined, "sae.wEnc has 80 numbers, expected 75"],
    [{ k: 17 }, undefined, "sae.k is 17, expected a number above 0 and at most dictSize = 16"],
    [
      { bDec: good.bDec.with(4, Infinity) },
      undefined,
      "sae.bDec[4] is Infinity, expected a number",
    ],
    [
      bare,
      undefined,
      `the batchtopk SAE has no threshold: give it one, or ask for selection "batch"`,
    ],
    [{ ...bare, k: undefined }, undefined, "the batchtopk SAE has no threshold"],
    [{ ...bare, architecture: "jumprelu", k: undefined }, undefined, "the jumprelu SAE has no"],
    [{ k: undefined }, "batch", `selection "batch" needs the SAE's k`],
    [{}, "top" as Selection, `selection is top, expected "threshold", "topk" or "batch"`],
    [{ architecture: "topk", k: undefined }, undefined, `selection "topk" needs the SAE's k`],
    [
      { ...bare, architecture: "topk" },
      "threshold",
      `the topk SAE has no threshold: give it one, or ask for selection "topk"`,
    ],
    [
      { inputNormalization: "expected_average_only_in" },
      undefined,
      "sae.inputScale is missing: the SAE reads activations that were scaled",
    ],
    [
      { inputNormalization: "layernorm" as "layer_norm" },
      undefined,
      "sae.inputNormalization is layernorm, expected one of none, layer_norm",
    ],
    [{ inputScale: 2 }, undefined, "sae.inputScale is 2, none has none"],
    [
      { inputNormalization: "expected_average_only_in", inputScale: -1 },
      undefined,
      "sae.inputScale is -1, expected a number above 0",
    ],
  ];
  for (const [more, selection, text] of cases) {
    const error = assertThrows(
      () => openInference(gpu, { ...good, ...more }, { selection }),
      Error,
    );
    assertEquals(error.message.slice(0, text.length), text);
    assertInstanceOf(error, RangeError);
    assertEquals(gpu.allocated, 0);
  }
});

testOnDevices(
  "a matrix that does not fit is refused, and one with NaN named by row and column",
  async (open) => {
    const x = randomMatrix(1, 20, D);
    const at = (row: number, column: number, value: number): Matrix => ({
      ...x,
      data: x.data.with(row * D + column, value),
    });
    const cases: [Matrix, string][] = [
      [randomMatrix(1, 3, 4), "the activations are 3 × 4 with 12 numbers, expected 5 columns"],
      [{ ...x, rows: 3 }, "the activations are 3 × 5 with 100 numbers"],
      [at(0, 0, NaN), "the activations are not finite in row 0, column 0"],
      [at(19, 4, -Infinity), "the activations are not finite in row 19, column 4"],
      [at(7, 2, NaN), "the activations are not finite in row 7, column 2"],
    ];
    const normalizations = ["none", "layer_norm", "constant_norm_rescale"] as const;
    for (const options of [{}, { limits: { maxStorageBufferBindingSize: 512 } }]) {
      using gpu = await open(options);
      for (const [bad, text] of cases) {
        for (const run of [encode, reconstruct]) {
          for (const inputNormalization of normalizations) {
            const error = await assertRejects(
              () => run(gpu, { ...good, inputNormalization }, bad),
              RangeError,
            );
            assertEquals(error.message.slice(0, text.length), text);
            assertEquals(gpu.allocated, 0);
          }
        }
      }
    }
  },
);

testOnCpu("after a failed run an inference goes on as if nothing had been", async (open) => {
  using gpu = await open();
  using inference = openInference(gpu, good);
  const x = randomMatrix(1, 20, D);
  await inference.run(x);
  await assertRejects(() => inference.run({ ...x, data: x.data.with(7, NaN) }), RangeError);
  const { squaredErrors } = await inference.run(x);
  assertClose(squaredErrors, infer(good, x).squaredErrors, "squared errors");
});

testOnDevices("whatever the memory limit, nothing stays allocated after an error", async (open) => {
  // Every latent of `wide` is active: room for them is made twice.
  const wide = allActive(100);
  using gpu = await open({ memoryLimit: 4e6 });
  // The CPU's selections need more room.
  const more = gpu.kind === "cpu" ? 2 : 1;
  const step = gpu.kind === "cpu" ? 1500 : howMany(4500, 1500);
  let failures = 0;
  let runs = 0;
  for (const [some, selection] of [[good, "batch"], [wide, "threshold"]] as const) {
    for (let bytes = 1000 * more; bytes < 40_000 * more; bytes += step * more) {
      await withFree(gpu, bytes, async () => {
        try {
          await encode(gpu, some, randomMatrix(1, 10, D), { selection });
          runs++;
        } catch (error) {
          assertInstanceOf(error, DeviceError);
          failures++;
        }
      });
      assertEquals(gpu.allocated, 0, `${selection} with ${bytes} bytes`);
    }
  }
  assert(failures > 3 && runs > 3, `${failures} failures, ${runs} runs`);
});

testOnCpu(
  "an inference whose run found too little memory still runs what fits",
  async (open) => {
    const wide = allActive(100);
    const [small, large] = [randomMatrix(1, 10, D), randomMatrix(1, 11, D)];
    using gpu = await open({ memoryLimit: 4e6 });
    let recovered = 0;
    // Scratch for 64 rows, whatever there are.
    const first = gpu.kind === "cpu" ? 100_000 : 15_000;
    for (let bytes = first; bytes < 4 * first; bytes += 1000) {
      await withFree(gpu, bytes, async () => {
        using inference = openInference(gpu, wide);
        const run = (x: Matrix) => inference.run(x).catch((error) => error);
        const [first, second, third] = [await run(small), await run(large), await run(small)];
        if (first instanceof Error) {
          assertInstanceOf(third, DeviceError);
          return assertEquals(third.message, first.message);
        }
        assertEquals(third, first, `with ${bytes} bytes`);
        if (second instanceof Error) recovered++;
      });
    }
    assert(recovered > 0);
  },
);

Deno.test("a row wider than a binding is refused", async () => {
  using gpu = await openGpu(TIGHT);
  const sae = randomSae(1, 1025, 1, { threshold: new Float32Array(1) });
  const text = "one row of 1025 numbers needs 4100 bytes, this device binds 4096";
  assertThrows(() => openInference(gpu, sae), RangeError, text);
  assertEquals(gpu.allocated, 0);
});
