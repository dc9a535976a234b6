import { assert, assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";

import type { Matrix } from "../../lib/matrix.ts";
import type { Sae } from "../../lib/sae/sae.ts";
import { type ErrorContrast, missingInformation } from "../../lib/stitching/missing_information.ts";
import { someOf } from "../depth.ts";
import { openGpu, randomMatrix, testOnCpu, TIGHT } from "../gpu_helper.ts";
import { activationsOf, errorsWhere } from "../oracles/similarity.ts";
import { assertStops } from "./assert_stops.ts";
import { ARCHITECTURES, choose, makeSae, NORMALIZATIONS } from "./made_saes.ts";

function assertContrast(actual: ErrorContrast, inactive: number, active: number, name: string) {
  assertAlmostEquals(actual.inactive, inactive, 1e-4 * inactive, `${name}: inactive`);
  assertAlmostEquals(actual.active, active, 1e-4 * active, `${name}: active`);
  assertEquals(actual.difference, actual.active - actual.inactive, name);
}

async function check(small: Sae, large: Sae, novel: number[], batches: Matrix[], name: string) {
  const f = activationsOf(large, batches);
  const samples = f[0].length;
  const counts = f.map((values) => values.filter((value) => value > 0).length);
  const kept = novel.filter((latent) => counts[latent] > 0 && counts[latent] < samples);
  const expected = kept.map((latent) => {
    const active = f[latent].map((value) => value > 0);
    return {
      small: errorsWhere(small, batches, active),
      large: errorsWhere(large, batches, active),
    };
  });
  for (const options of someOf([{}, TIGHT], 1)) {
    using gpu = await openGpu(options);
    const found = await missingInformation(gpu, small, large, novel, batches);
    assertEquals(gpu.allocated, 0);
    assertEquals(found.samples, samples);
    assertEquals(found.latents.map(({ latent }) => latent), kept);
    assertEquals(found.neverActive, novel.filter((latent) => counts[latent] === 0).length);
    assertEquals(found.alwaysActive, novel.filter((latent) => counts[latent] === samples).length);
    for (const [at, { latent, activeSamples, ...contrasts }] of found.latents.entries()) {
      assertEquals(activeSamples, counts[latent]);
      for (const sae of ["small", "large"] as const) {
        const { inactive, active } = expected[at][sae];
        assertContrast(contrasts[sae], inactive, active, `${name}: ${sae}, latent ${latent}`);
      }
    }
    for (const sae of ["small", "large"] as const) {
      const mean = (key: "inactive" | "active") =>
        expected.reduce((sum, one) => sum + one[sae][key], 0) / expected.length;
      assertContrast(found.mean![sae], mean("inactive"), mean("active"), `${name}: mean, ${sae}`);
    }
  }
  return novel.length - kept.length;
}

Deno.test("missingInformation agrees with its oracle, for any architectures", async () => {
  let leftOut = 0;
  for (const [at, architecture] of ARCHITECTURES.entries()) {
    const normalization = NORMALIZATIONS[(at + 1) % 4];
    const small = makeSae({ architecture, seed: at, d: 4, m: 10, normalization });
    const other = ARCHITECTURES[(at + 1) % 4];
    const large = makeSae({ architecture: other, seed: 9 + at, d: 4, m: 13, normalization });
    large.bEnc[12] = -100;
    large.bEnc[0] = 100;
    const batches = [17, 1, 40].map((rows, seed) => randomMatrix(seed + at, rows, 4));
    leftOut += await check(small, large, choose(at, 13, 13), batches, architecture);
  }
  assert(leftOut >= 8);
});

testOnCpu("missingInformation: a direction that only the large SAE has", async (open) => {
  using gpu = await open();
  const unit = (rows: number[][]) => Float32Array.from(rows.flat());
  const make = (rows: number[][]) =>
    makeSae({
      ...{ architecture: "relu", seed: 1, d: 2, m: rows.length },
      ...{ wEnc: unit(rows), wDec: unit(rows), bDec: new Float32Array(2) },
      bEnc: new Float32Array(rows.length),
    });
  const [small, large] = [make([[1, 0]]), make([[1, 0], [0, 1]])];
  const x = { data: Float32Array.of(1, 0, 2, 3, 4, 5, 6, -2), rows: 4, cols: 2 };
  const { latents, mean, neverActive, alwaysActive } = await missingInformation(
    ...[gpu, small, large, [1, 0], [x]] as const,
  );
  assertEquals(latents, [{
    latent: 1,
    activeSamples: 2,
    small: { inactive: 2, active: 17, difference: 15 },
    large: { inactive: 2, active: 0, difference: -2 },
  }]);
  assertEquals(mean, { small: latents[0].small, large: latents[0].large });
  assertEquals([neverActive, alwaysActive], [0, 1]);
});

testOnCpu("missingInformation: where no latent remains there is no mean", async (open) => {
  using gpu = await open();
  const small = makeSae({ architecture: "relu", seed: 1, d: 3, m: 4 });
  const large = makeSae({ architecture: "relu", seed: 2, d: 3, m: 5 });
  large.bEnc[3] = -100;
  const batches = [randomMatrix(1, 9, 3)];
  for (const novel of [[], [3]]) {
    const found = await missingInformation(gpu, small, large, novel, batches);
    assertEquals([found.mean, found.latents, found.neverActive], [undefined, [], novel.length]);
  }
});

testOnCpu(
  "missingInformation refuses what does not fit, stops when told, says how far it is",
  async (open) => {
    using gpu = await open();
    const small = makeSae({ architecture: "relu", seed: 1, d: 3, m: 4 });
    const large = makeSae({ architecture: "relu", seed: 2, d: 3, m: 5 });
    const x = randomMatrix(1, 4, 3);
    const cases: [number[], Matrix[], Sae, string][] = [
      [[1], [], large, "there were no activations to measure on"],
      [[5], [x], large, "novel[0] is 5, expected a latent from 0 to 4"],
      [[1, 1], [x], large, "novel[1] is 1, which is given twice"],
      [[], [x, randomMatrix(1, 4, 2)], large, "the activations are 4 × 2"],
      [
        [],
        [x],
        { ...large, inputNormalization: "layer_norm" },
        "large.inputNormalization is layer_norm",
      ],
    ];
    for (const [novel, batches, other, text] of cases) {
      const run = () => missingInformation(gpu, small, other, novel, batches);
      await assertRejects(run, RangeError, text);
      assertEquals(gpu.allocated, 0);
    }
    await assertStops(
      4,
      (options) => missingInformation(gpu, small, large, [1], [x, x, x], options),
    );
    assertEquals(gpu.allocated, 0);
  },
);
