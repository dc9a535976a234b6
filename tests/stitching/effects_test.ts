import { assert, assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import type { Device } from "../../lib/device/device.ts";
import type { Matrix } from "../../lib/matrix.ts";
import type { Sae } from "../../lib/sae/sae.ts";
import { latentEffects, type StitchingEffects, swapEffects } from "../../lib/stitching/effects.ts";
import type { LatentGroup } from "../../lib/stitching/latent_groups.ts";
import { assertClose, openGpu, presentAs, randomMatrix, randomSae } from "../gpu_helper.ts";
import { encodeBoth, type Measures } from "../oracles/stitched_from_scratch.ts";
import { assertStops } from "./assert_stops.ts";
import { makeGroups, makePair, makeRows, PAIRS, upTo } from "./made_pair.ts";

/** ΔMSE to 1e-4 of the largest, L0 exactly up to the last bits of its quotient. */
function assertEffects(
  actual: StitchingEffects,
  before: Measures,
  after: Measures[],
  name: string,
): void {
  assertAlmostEquals(actual.mse, before.mse, 1e-5 * before.mse, `${name}: mse`);
  assertAlmostEquals(actual.l0, before.l0, 1e-12, `${name}: l0`);
  assertClose(actual.deltaMse, after.map(({ mse }) => mse - before.mse), `${name}: deltaMse`);
  assertEquals(actual.deltaL0.length, after.length);
  for (const [step, { l0 }] of after.entries()) {
    assertAlmostEquals(actual.deltaL0[step], l0 - before.l0, 1e-12, `${name}: deltaL0[${step}]`);
  }
}

function swapped(
  evaluate: (small: number[], large: number[]) => Measures,
  { small, large }: { small: Sae; large: Sae },
  groups: LatentGroup[],
  inserted: number[] = [],
): Measures[] {
  return groups.map((group) =>
    evaluate(
      upTo(small.dictSize).filter((latent) => !group.small.includes(latent)),
      [...inserted, ...group.large.filter((latent) => latent < large.dictSize)],
    )
  );
}

Deno.test("latentEffects and swapEffects agree with stitched SAEs evaluated from scratch", async () => {
  for (const { rows, limits, ...options } of PAIRS) {
    using opened = await openGpu(limits);
    // Where limits are set, the kernel that hardware runs: software adapters walk without one.
    const gpu = limits ? presentAs(opened, "hardware") : opened;
    const pair = makePair(options);
    const { small, large } = pair;
    const batches = makeRows(options.seed, options.d, rows);
    const evaluate = encodeBoth(small, large, batches);
    const all = upTo(small.dictSize);
    const name = options.architectures.join(" → ");
    const added = upTo(large.dictSize).map((latent) => evaluate(all, [latent]));
    const effects = await latentEffects(gpu, small, large, batches);
    assertEquals(effects.samples, rows.reduce((sum, count) => sum + count));
    assertEffects(effects, evaluate(all, []), added, name);
    const biased = evaluate(all, [], { small: small.dictSize, large: 1 }).mse - effects.mse;
    // The same for every latent.
    assertEquals(new Set(effects.deltaBias).size, 1);
    assertAlmostEquals(effects.deltaBias[0], biased, 1e-4 * effects.mse, `${name}: deltaBias`);

    const groups = small.dictSize > 1
      ? makeGroups(options.seed, pair, 5)
      : [{ small: Uint32Array.of(0), large: Uint32Array.of(0) }];
    const swaps = await swapEffects(gpu, small, large, groups, batches);
    assertEffects(swaps, evaluate(all, []), swapped(evaluate, pair, groups), `${name}, groups`);
    assertClose(
      swaps.deltaBias,
      groups.map((group) => {
        const left = small.dictSize - group.small.length;
        const { mse } = evaluate(all, [], { small: left, large: group.large.length });
        return mse - evaluate(all, []).mse;
      }),
      `${name}: deltaBias of groups`,
    );

    const grouped = groups.flatMap((group) => [...group.large]);
    const inserted = upTo(large.dictSize).filter((latent) => !grouped.includes(latent));
    const later = await swapEffects(gpu, small, large, groups, batches, { inserted });
    const expected = swapped(evaluate, pair, groups, inserted);
    assertEffects(later, evaluate(all, inserted), expected, `${name}, ${inserted.length} inserted`);
    assertEquals(gpu.allocated, 0);
  }
});

Deno.test("swapEffects of groups of one large latent are latentEffects, to the bit", async () => {
  using gpu = await openGpu();
  const { small, large } = makePair(PAIRS[0]);
  const batches = makeRows(5, 9, [30]);
  const groups = upTo(large.dictSize)
    .map((latent) => ({ small: new Uint32Array(), large: Uint32Array.of(latent) }));
  assertEquals(
    await swapEffects(gpu, small, large, groups, batches),
    await latentEffects(gpu, small, large, batches),
  );
});

Deno.test("latentEffects: a latent that is never active moves the decoder bias, exactly", async () => {
  using gpu = await openGpu();
  const { small, large } = makePair(PAIRS[0]);
  // Errors of about 1 beside a bias that is off by 1e-4: ΔMSE is found where it is the last digits of the MSE.
  large.bDec = small.bDec.map((value) => value + 1e-4);
  const batches = makeRows(5, 9, [30]);
  const { deltaMse, deltaBias, deltaL0, mse } = await latentEffects(gpu, small, large, batches);
  const evaluate = encodeBoth(small, large, batches);
  const all = upTo(small.dictSize);
  const expected = evaluate(all, [1]).mse - evaluate(all, []).mse;
  assert(Math.abs(expected) < 1e-4 * mse && expected !== 0);
  assertAlmostEquals(deltaMse[1], expected, 1e-3 * Math.abs(expected));
  assertEquals(deltaMse[4], deltaMse[1]);
  // Without the bias's part nothing is left of them, and what is left of others is theirs.
  assertEquals([deltaMse[1] - deltaBias[1], deltaMse[4] - deltaBias[4]], [0, 0]);
  assertEquals([deltaL0[1], deltaL0[4]], [0, 0]);
});

Deno.test("effects do not depend on how activations are cut into batches", async () => {
  using gpu = await openGpu();
  const { small, large } = makePair(PAIRS[0]);
  const x = randomMatrix(3, 40, 9);
  const cut = (first: number, last: number): Matrix => ({
    data: x.data.subarray(first * 9, last * 9),
    rows: last - first,
    cols: 9,
  });
  assertEquals(
    await latentEffects(gpu, small, large, [x]),
    await latentEffects(gpu, small, large, [cut(0, 1), cut(1, 1), cut(1, 33), cut(33, 40)]),
  );
});

Deno.test("effects tell of progress and stop where they are told to", async () => {
  using gpu = await openGpu();
  const { small, large } = makePair(PAIRS[0]);
  const batches = makeRows(1, 9, [8, 8, 8]);
  await assertStops(8, (options) => latentEffects(gpu, small, large, batches, options));
  assertEquals(gpu.allocated, 0);
});

Deno.test("effects refuse what cannot be measured", async () => {
  using gpu = await openGpu();
  const { small, large } = makePair(PAIRS[0]);
  const [x] = makeRows(1, 9, [4]);
  const of = (smallLatents: number[], largeLatents: number[]): LatentGroup => ({
    small: Uint32Array.from(smallLatents),
    large: Uint32Array.from(largeLatents),
  });
  const swap = (groups: LatentGroup[], inserted?: number[]) => (gpu: Device) =>
    swapEffects(gpu, small, large, groups, [x], { inserted });
  const cases: [(gpu: Device) => Promise<unknown>, string][] = [
    [(gpu) => latentEffects(gpu, small, large, []), "there were no activations to measure on"],
    [(gpu) => latentEffects(gpu, small, randomSae(1, 8, 4), [x]), "dModel"],
    [(gpu) => latentEffects(gpu, small, large, makeRows(1, 8, [4])), "expected 9 columns"],
    [swap([of([20], [])]), "a latent of groups[0].small is 20, expected a latent from 0 to 19"],
    [
      swap([of([], []), of([], [33])]),
      "a latent of groups[1].large is 33, expected a latent from 0 to 32",
    ],
    [
      swap([of([], [3]), of([1], [5, 3])]),
      "latent 3 of the large SAE is in groups[0] and in groups[1]",
    ],
    [swap([of([7, 7], [])]), "latent 7 of the small SAE is in groups[0] and in groups[0]"],
    [swap([of([], [3])], [2, 3]), "groups[0].large holds latent 3, which is present already"],
    [swap([], [33]), "inserted[0] is 33, expected a latent from 0 to 32"],
    [swap([], [3, 3]), "inserted[1] is 3, which is given twice"],
    [swap([of(upTo(20), [])]), "groups[0] removes every latent and inserts none"],
  ];
  for (const [run, text] of cases) {
    await assertRejects(() => run(gpu), RangeError, text);
    assertEquals(gpu.allocated, 0);
  }
});
