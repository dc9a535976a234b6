import { assert, assertAlmostEquals, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { collectDashboards } from "../../lib/interpretation/dashboards.ts";
import type { ReadableModel } from "../../lib/interpretation/encode_rows.ts";
import { collectTopExamples } from "../../lib/interpretation/top_examples.ts";
import { createRandom } from "../../lib/random.ts";
import { openTestDevice, randomSae } from "../gpu_helper.ts";
import { cosines } from "../oracles/cosine.ts";
import { infer } from "../oracles/inference.ts";
import { activationsOf, D, MODEL as TEXT_MODEL, sae } from "./probe_helper.ts";

const M = 24;
const LENGTH = 16;
const MODEL: ReadableModel = { ...TEXT_MODEL, tokenText: (token) => ` w${token}` };
const random = createRandom(12);
const ROWS = Array.from(
  { length: 25 },
  () => Int32Array.from({ length: LENGTH }, (_, p) => p === 0 ? 0 : 1 + random.below(39)),
);

/** activations[row][position] of each latent, in float64. */
function activations(): number[][][] {
  return Array.from({ length: M }, (_, latent) =>
    ROWS.map((row) => {
      const own = activationsOf(row.slice(1).join(" "), LENGTH);
      const x = { data: Float32Array.from(own.flat()), rows: LENGTH - 1, cols: D };
      const { codes } = infer(sae(), x, "threshold");
      return Array.from({ length: LENGTH - 1 }, (_, p) => {
        for (let e = codes.offsets[p]; e < codes.offsets[p + 1]; e++) {
          if (codes.latents[e] === latent) return codes.values[e];
        }
        return 0;
      });
    }));
}

Deno.test("dashboards hold what a plain search of all activations finds", async () => {
  using device = await openTestDevice();
  const other = randomSae(9, D, 10, { architecture: "relu" });
  const options = { normLimit: "none", rowsPerRun: 4 } as const;
  const found = await collectDashboards(device, MODEL, sae(), ROWS, {
    ...options,
    others: [{ name: "other", sae: other }],
    ...{ neighbours: 3, top: 4, perInterval: 2 },
  });
  assertEquals([...found.latents], Array.from({ length: M }, (_, i) => i));
  assertEquals(found.samples, 25 * 15);
  assertEquals(found.correlated, found.samples);
  assertEquals([found.rows, found.contextLength], [25, LENGTH]);
  const all = activations();
  const rows = (of: typeof other) => ({ data: of.wDec, rows: of.dictSize, cols: D });
  const own = cosines(rows(sae()), rows(sae()));
  const across = cosines(rows(sae()), rows(other));
  const examples = await collectTopExamples(device, MODEL, sae(), ROWS, {
    ...options,
    latents: found.latents,
    examples: 4,
  });
  for (let latent = 0; latent < M; latent++) {
    const seen = found.read(latent);
    const values = all[latent].flat().filter((value) => value > 0);
    assertEquals(seen.actives, values.length);
    assertEquals(seen.density, values.length / found.samples);
    assertAlmostEquals(seen.maxActivation, Math.max(0, ...values), 1e-5);
    if (values.length > 0) {
      const mean = values.reduce((a, b) => a + b) / values.length;
      assertAlmostEquals(seen.meanActivation, mean, 1e-5);
    }
    assertEquals(seen.top, examples[latent].examples);
    for (const { low, high, count, samples } of seen.intervals) {
      // An activation beside an end of the interval may be on its other side in float32.
      const near = values.filter((value) =>
        Math.min(Math.abs(value - low), Math.abs(value - high)) < 1e-5
      ).length;
      const inside = values.filter((value) => value >= low && value < high).length;
      assert(
        Math.abs(count - inside) <= near,
        `${count} in the interval, the oracle has ${inside}`,
      );
      for (const { row, position, peak, tokens, activations } of samples) {
        assertAlmostEquals(activations[peak], all[latent][row][position - 1], 1e-5);
        assertEquals(tokens[peak], ` w${ROWS[row][position]}`);
      }
    }
    const sorted = (cosine: number[], skip: number) =>
      cosine.map((value, j) => ({ value, j })).filter(({ j }) => j !== skip)
        .sort((a, b) => b.value - a.value || a.j - b.j).slice(0, 3);
    assertEquals(
      seen.nearest.map((each) => each.latent),
      sorted(own[latent], latent).map(({ j }) => j),
    );
    seen.nearest.forEach(({ latent: j, cosine }) =>
      assertAlmostEquals(cosine, own[latent][j], 1e-6)
    );
    assertEquals(seen.others.map(({ name }) => name), ["other"]);
    assertEquals(
      seen.others[0].nearest.map((each) => each.latent),
      sorted(across[latent], -1).map(({ j }) => j),
    );
    assert(seen.coactive.length <= 3 && seen.coactive.every((each) => each.latent !== latent));
    assertEquals(seen.metaLatents, []);
    // 25 rows with one window each, of 15 positions: the window is the row.
    const inactive = found.inactive(latent, 100);
    const quiet = ROWS.map((_, row) => row).filter((row) => all[latent][row].every((f) => f === 0));
    assertEquals(inactive.map(({ row }) => row).sort((a, b) => a - b), quiet);
    for (const { row, tokens, activations } of inactive) {
      assertEquals(tokens, [...ROWS[row].slice(1)].map((token) => ` w${token}`));
      assert(activations.every((value) => value === 0));
    }
    assertEquals(found.inactive(latent, 2), inactive.slice(0, 2));
  }
});

Deno.test("dashboards of chosen latents, and what has none", async () => {
  using device = await openTestDevice();
  const found = await collectDashboards(device, MODEL, sae(), ROWS, { latents: [9, 4] });
  assertEquals([...found.latents], [4, 9]);
  const all = await collectDashboards(device, MODEL, sae(), ROWS);
  assertEquals(found.read(9), all.read(9));
  assert(found.bytes < all.bytes);
  assertThrows(() => found.read(5), RangeError, "latent 5 has no dashboard");
  for (
    const [options, message] of [
      [{ latents: [24] }, "latents[0] is 24"],
      [{ latents: [1, 1] }, "latents[1] is 1, which is given twice"],
      [{ top: 0 }, "top is 0, expected a whole number above 0"],
      [{ perInterval: -1 }, "perInterval is -1, expected a whole number from 0"],
      [
        { others: [{ name: "big", sae: randomSae(1, 7, 3) }] },
        "the dModel of big is 7, the hook's is 5",
      ],
    ] as const
  ) {
    await assertRejects(
      () => collectDashboards(device, MODEL, sae(), ROWS, options),
      RangeError,
      message,
    );
  }
  await assertRejects(
    () => collectDashboards(device, MODEL, sae(), []),
    RangeError,
    "there were no token rows",
  );
});
