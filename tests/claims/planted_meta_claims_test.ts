// The claims of section 5 on planted decoder rows, from training to verdict: rows that are sums of atoms,
// rows that are one atom each, and rows without structure.
import { assertEquals } from "@std/assert";
import type { Device } from "../../lib/device/device.ts";
import type { Matrix } from "../../lib/matrix.ts";
import { covarianceMatchedRows } from "../../lib/meta/covariance_matched_rows.ts";
import { normal } from "../../lib/meta/normal.ts";
import { randomUnitRows } from "../../lib/meta/random_unit_rows.ts";
import { studyMeta } from "../../lib/meta/study_meta.ts";
import { createRandom } from "../../lib/random.ts";
import type { Claim } from "../../lib/claims/verdict.ts";
import { metaClaims } from "../../lib/claims/meta_claims.ts";
import type { Sae } from "../../lib/sae/sae.ts";
import { openTestDevice, randomSae } from "../gpu_helper.ts";
import { sumsOf } from "../meta/made_rows.ts";

const D = 64;
const ATOMS = randomUnitRows(24, D, { seed: 1 });

/** Sums of `parts` atoms with noise of a quarter of their norm. */
function noisySums(parts: number): Matrix {
  const { data, ...shape } = sumsOf(ATOMS, 192, parts, 5);
  const random = createRandom(8);
  return { data: data.map((value) => value + 0.03 * normal(random)), ...shape };
}

function saeOf({ data, rows, cols }: Matrix): Sae {
  return randomSae(1, cols, rows, { wDec: data, metadata: {} });
}

async function claimsOn(
  gpu: Device,
  rows: Matrix,
  beside: Matrix[],
  steps = 150,
): Promise<Claim[]> {
  return metaClaims(
    await studyMeta(gpu, saeOf(rows), {
      architecture: "batchtopk",
      ...{
        k: 2,
        dictSize: 24,
        steps,
        batchSize: 64,
        learningRate: 3e-2,
        decaySteps: 2 * steps / 3,
      },
      ...{ deadAfter: 10, seed: 2 },
      compare: beside.map((other) => ({ name: `${other.rows}`, sae: saeOf(other) })),
    }),
  );
}

function assertVerdicts(claims: Claim[], wanted: (boolean | undefined)[]): void {
  const told = claims.map(({ found, why }) => `${found} ${why ?? ""}`).join("\n");
  assertEquals(claims.map(({ holds }) => holds), wanted, told);
}

Deno.test("sums of atoms: everything holds beside an SAE of the atoms", async () => {
  using gpu = await openTestDevice();
  const claims = await claimsOn(
    gpu,
    noisySums(2),
    [ATOMS, randomUnitRows(96, D, { seed: 9 })],
    300,
  );
  assertVerdicts(claims, [true, true, true, true, true]);
});

Deno.test("one atom a row: shared directions, but no compositions, and random ones beside them", async () => {
  using gpu = await openTestDevice();
  const claims = await claimsOn(gpu, noisySums(1), [randomUnitRows(24, D, { seed: 7 })]);
  assertVerdicts(claims, [true, false, false, undefined, false]);
});

Deno.test("rows without structure, isotropic or of the covariance of sums: nothing holds", async () => {
  using gpu = await openTestDevice();
  const isotropic = await claimsOn(gpu, randomUnitRows(192, D, { seed: 3 }), []);
  assertVerdicts(isotropic, [false, false, undefined, undefined, undefined]);
  const matched = await claimsOn(gpu, covarianceMatchedRows(noisySums(2), { rows: 192, seed: 4 }), [
    ATOMS,
  ]);
  assertVerdicts(matched, [false, false, false, undefined, false]);
});
