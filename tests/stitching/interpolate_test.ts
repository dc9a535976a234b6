import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertNotEquals,
  assertRejects,
} from "@std/assert";
import { evaluateSae } from "../../lib/evaluation/evaluate_sae.ts";

import type { Matrix } from "../../lib/matrix.ts";
import type { Sae } from "../../lib/sae/sae.ts";
import {
  interpolate,
  interpolateChain,
  type InterpolationOptions,
  type InterpolationPoint,
} from "../../lib/stitching/interpolate.ts";
import { latentEffects, swapEffects } from "../../lib/stitching/effects.ts";
import { someOf } from "../depth.ts";
import { openGpu, openTestDevice, presentAs, randomNumbers } from "../gpu_helper.ts";
import { encodeBoth } from "../oracles/stitched_from_scratch.ts";
import { makeGroups, makePair, makeRows, makeSleepingSae, PAIRS, upTo } from "./made_pair.ts";

/** The latents that are in at every point, and how many of each SAE. */
function follow(points: InterpolationPoint[], { small }: { small: Sae }) {
  const left = new Set(upTo(small.dictSize));
  const right = new Set<number>();
  return points.map(({ removed, inserted }) => {
    for (const latent of removed) assert(left.delete(latent), `${latent} was out already`);
    for (const latent of inserted) {
      assert(!right.has(latent), `${latent} was in already`);
      right.add(latent);
    }
    return { small: [...left], large: [...right] };
  });
}

function assertPath(
  points: InterpolationPoint[],
  pair: { small: Sae; large: Sae },
  evaluate: ReturnType<typeof encodeBoth>,
  name: string,
): void {
  const latents = follow(points, pair);
  for (const [index, { small, large }] of latents.entries()) {
    const point = points[index];
    const expected = evaluate(small, large);
    assertEquals(point.step, index);
    assertEquals([point.smallCount, point.largeCount], [small.length, large.length], name);
    assertAlmostEquals(point.mse, expected.mse, 1e-5 * expected.mse, `${name}: mse of ${index}`);
    assertAlmostEquals(point.nmse, expected.nmse, 1e-5 * expected.nmse, `${name}: nmse`);
    const before = latents[Math.max(0, index - 1)];
    const counts = { small: small.length, large: large.length };
    const { mse: biased } = evaluate(before.small, before.large, counts);
    assertAlmostEquals(point.biasMse, biased, 1e-5 * biased, `${name}: biasMse of ${index}`);
    assertAlmostEquals(point.l0, expected.l0, 1e-12, `${name}: l0 of ${index}`);
  }
}

const phases = (points: InterpolationPoint[]) => [...new Set(points.map(({ phase }) => phase))];

Deno.test("interpolate agrees at every step with stitched SAEs evaluated from scratch", async () => {
  for (const { rows, limits, ...options } of PAIRS) {
    using opened = await openGpu(limits);
    // Where limits are set, the kernel that hardware runs: software adapters walk without one.
    const gpu = limits ? presentAs(opened, "hardware") : opened;
    const pair = makePair(options);
    const { small, large } = pair;
    const batches = makeRows(options.seed, options.d, rows);
    const evaluate = encodeBoth(small, large, batches);
    const groups = makeGroups(options.seed, pair, 5);
    const cosine = randomNumbers(options.seed, large.dictSize);
    const own: InterpolationOptions[] = [
      { order: "random", seed: 3, removal: "each", groups },
      { order: "benefit", groups },
      { order: "cosine", removal: "none", ...(limits ? { groups, cosine } : { threshold: 0.3 }) },
    ];
    for (const more of someOf(own, 1)) {
      const points = await interpolate(gpu, small, large, batches, more);
      assertPath(points, pair, evaluate, `${options.architectures.join(" → ")}, ${more.order}`);
      assertEquals(gpu.allocated, 0);
    }
  }
});

Deno.test("interpolate begins and ends at plain evaluations of the two SAEs", async () => {
  using gpu = await openTestDevice();
  const pair = makePair(PAIRS[0]);
  const { small, large } = pair;
  // Twenty latents that cancel: on the way the error is a thousand times that of the ends.
  for (let c = 0; c < 9; c++) {
    for (let i = 0; i < 10; i++) {
      large.wDec[(10 + i) * 9 + c] = 40 * large.wDec[i * 9 + c];
      large.wDec[(20 + i) * 9 + c] = -40 * large.wDec[i * 9 + c];
      for (const copy of [10, 20]) large.wEnc[(copy + i) * 9 + c] = large.wEnc[i * 9 + c];
    }
  }
  for (let i = 0; i < 10; i++) large.bEnc[10 + i] = large.bEnc[20 + i] = large.bEnc[i];
  const batches = makeRows(4, 9, [500, 500]);
  const [before, after] = [
    await evaluateSae(gpu, small, batches),
    await evaluateSae(gpu, large, batches),
  ];
  for (const order of ["random", "benefit"] as const) {
    const groups = makeGroups(7, pair, 6);
    const points = await interpolate(gpu, small, large, batches, { order, groups });
    const highest = points.reduce((most, { mse }) => Math.max(most, mse), 0);
    assert(highest > 300 * after.mse, `${highest} beside ${after.mse}`);
    for (const [point, plain] of [[points[0], before], [points.at(-1)!, after]] as const) {
      assertAlmostEquals(point.mse, plain.mse, 1e-5 * plain.mse);
      assertAlmostEquals(point.nmse, plain.nmse, 1e-5 * plain.nmse);
      assertAlmostEquals(point.l0, plain.l0, 1e-12);
    }
    assertEquals(points.at(-1)!.smallCount, 0);
    assertEquals(points.at(-1)!.largeCount, large.dictSize);
  }
});

Deno.test("interpolate inserts what is novel, swaps groups, then takes out what is left", async () => {
  using gpu = await openTestDevice();
  const pair = makePair(PAIRS[0]);
  const { small, large } = pair;
  const batches = makeRows(4, 9, [30]);
  const groups = makeGroups(7, pair, 6);
  const swaps = groups.filter((group) => group.small.length && group.large.length);
  assert(swaps.length < groups.length && swaps.length > 1);
  const grouped = (side: "small" | "large") => swaps.flatMap((group) => [...group[side]]);
  const novel = upTo(33).filter((latent) => !grouped("large").includes(latent));
  const leftovers = upTo(20).filter((latent) => !grouped("small").includes(latent));
  const run = (more: InterpolationOptions) =>
    interpolate(gpu, small, large, batches, { order: "random", groups, ...more });

  const path = await run({});
  assertEquals(phases(path), ["start", "insert", "swap", "remove"]);
  assertEquals(path.length, 1 + novel.length + swaps.length + 1);
  const inserted = path.filter(({ phase }) => phase === "insert");
  assertEquals(inserted.flatMap((point) => [...point.inserted]).sort((a, b) => a - b), novel);
  assert(inserted.every((point) => point.inserted.length === 1 && point.removed.length === 0));
  const swapped = path.filter(({ phase }) => phase === "swap");
  for (const point of swapped) {
    assert(swaps.some(({ small, large }) => small === point.removed && large === point.inserted));
  }
  assertEquals([...path.at(-1)!.removed], leftovers);

  const each = await run({ removal: "each" });
  assertEquals(each.length, 1 + novel.length + swaps.length + leftovers.length);
  assertEquals(each.slice(-leftovers.length).flatMap(({ removed }) => [...removed]), leftovers);
  assertAlmostEquals(each.at(-1)!.mse, path.at(-1)!.mse, 1e-5 * path.at(-1)!.mse);

  const stay = await run({ removal: "none" });
  assertEquals(stay, path.slice(0, -1));
  assertEquals(await run({ swap: false }), path.slice(0, 1 + novel.length));
});

Deno.test("interpolate: orders", async () => {
  using gpu = await openTestDevice();
  const pair = makePair(PAIRS[0]);
  const { small, large } = pair;
  const batches = makeRows(4, 9, [30]);
  const groups = makeGroups(7, pair, 10);
  const run = (more: InterpolationOptions) =>
    interpolate(gpu, small, large, batches, { groups, removal: "none", ...more });
  const of = (points: InterpolationPoint[], phase: string) =>
    points.filter((point) => point.phase === phase);
  const ascending = (values: number[]) =>
    assertEquals(values, [...values].sort((a, b) => a - b), "expected ascending numbers");

  const benefit = await run({});
  const { deltaMse } = await latentEffects(gpu, small, large, batches);
  const order = of(benefit, "insert").map(({ inserted }) => inserted[0]);
  ascending(order.map((latent) => deltaMse[latent]));
  // Latents 1 and 4 are never active: a tie, which keeps their order.
  assert(order.indexOf(1) < 0 || order.indexOf(4) < 0 || order.indexOf(1) < order.indexOf(4));
  const swapped = of(benefit, "swap")
    .map(({ removed, inserted }) => ({ small: removed, large: inserted }));
  ascending([...(await swapEffects(gpu, small, large, swapped, batches)).deltaMse]);

  // Few different cosines: ties keep the order of latents.
  const cosine = Float32Array.from(upTo(33), (latent) => (latent * 7 % 5) / 5);
  const similar = await run({ order: "cosine", cosine });
  const keys = of(similar, "insert").map(({ inserted: [latent] }) =>
    cosine[latent] * 100 + latent / 100
  );
  ascending(keys);
  ascending(
    of(similar, "swap").map(({ inserted }) =>
      inserted.reduce((sum, latent) => sum + cosine[latent], 0) / inserted.length
    ),
  );

  const first = await run({ order: "random", seed: 1 });
  assertEquals(await run({ order: "random", seed: 1 }), first);
  const second = await run({ order: "random", seed: 2 });
  for (const phase of ["insert", "swap"]) {
    const latents = [first, second].map((points) =>
      of(points, phase).flatMap((p) => [...p.inserted])
    );
    assertNotEquals(latents[0], latents[1]);
    assertEquals(latents[0].toSorted((a, b) => a - b), latents[1].toSorted((a, b) => a - b));
  }
  // Wherever the order leads through, the end is one.
  for (const points of [first, second, similar]) {
    assertAlmostEquals(points.at(-1)!.mse, benefit.at(-1)!.mse, 1e-5 * benefit.at(-1)!.mse);
    assertEquals(points.at(-1)!.l0, benefit.at(-1)!.l0);
  }
});

Deno.test("interpolate's first step is the effect that latentEffects measures", async () => {
  using gpu = await openTestDevice();
  const { small, large } = makePair(PAIRS[3]);
  const batches = makeRows(4, 16, [30]);
  const { deltaMse, deltaL0 } = await latentEffects(gpu, small, large, batches);
  const points = await interpolate(gpu, small, large, batches, { groups: [], swap: false });
  const [start, step] = points;
  const latent = step.inserted[0];
  assertAlmostEquals(step.mse - start.mse, deltaMse[latent], 1e-6 * start.mse);
  assertAlmostEquals(step.l0 - start.l0, deltaL0[latent], 1e-9);
});

Deno.test("interpolateChain leads through all SAEs and counts samples over all passes", async () => {
  using gpu = await openTestDevice();
  const saes = [8, 14, 25].map((m, index) => makeSleepingSae(index, 6, m, "batchtopk"));
  const batches = makeRows(4, 6, [10, 9]);
  const seen: number[] = [];
  const points = await interpolateChain(gpu, saes, () => batches[Symbol.iterator](), {
    threshold: 0.6,
    onProgress: ({ done }) => seen.push(done),
  });
  assertEquals(seen, [10, 19, 29, 38, 48, 57, 67, 76]);
  for (const pair of [0, 1]) {
    const own = points.filter((point) => point.pair === pair);
    const alone = await interpolate(gpu, saes[pair], saes[pair + 1], batches, { threshold: 0.6 });
    assertEquals(own, alone.map((point) => ({ pair, ...point })));
  }
  const middle = points.filter(({ pair, phase }) => pair === 1 && phase === "start");
  const before = points[points.indexOf(middle[0]) - 1];
  assertAlmostEquals(before.mse, middle[0].mse, 1e-5 * before.mse);
  assertEquals(gpu.allocated, 0);
});

Deno.test("interpolate stops in the search for cosines too, before it reads", async () => {
  using gpu = await openTestDevice();
  const { small, large } = makePair(PAIRS[0]);
  const signal = AbortSignal.abort(new Error("enough"));
  const read = () => {
    throw new Error("the activations were read");
  };
  for (const options of [{ threshold: 0.7 }, { groups: [], order: "cosine" as const }]) {
    await assertRejects(
      () => interpolate(gpu, small, large, read, { ...options, signal }),
      Error,
      "enough",
    );
    assertEquals(gpu.allocated, 0);
  }
});

Deno.test("interpolate refuses options that do not fit and streams that are read once", async () => {
  using gpu = await openTestDevice();
  const { small, large } = makePair(PAIRS[0]);
  const batches = makeRows(4, 9, [3]);
  const stream = function* (): Generator<Matrix> {
    yield* batches;
  };
  const group = { small: Uint32Array.of(0), large: Uint32Array.of(40) };
  const run = (options: unknown) => () =>
    interpolate(gpu, small, large, batches, options as InterpolationOptions);
  const cases: [() => Promise<unknown>, string][] = [
    [run({}), "interpolate needs the option threshold"],
    [run({ threshold: 0.7, order: "size" }), "order is size, expected benefit, cosine, random"],
    [run({ threshold: 0.7, removal: true }), "removal is true, expected together, each, none"],
    [run({ groups: [group] }), "a latent of groups[0].large is 40, expected a latent from 0 to 32"],
    [run({ groups: [], order: "random", seed: 0.5 }), "seed is 0.5"],
    [run({ groups: [], cosine: new Float32Array(20) }), "cosine has 20 numbers, expected 33"],
    [
      () => interpolate(gpu, small, large, stream(), { groups: [] }),
      `order "benefit" reads the activations 2 times, the batches are a stream`,
    ],
    [
      () =>
        interpolateChain(gpu, [small, large, small], stream(), { threshold: 1, order: "random" }),
      "a chain of 3 SAEs reads the activations 2 times",
    ],
    [() => interpolateChain(gpu, [small], batches), "there are 1 SAEs, expected at least 2"],
    [
      () => interpolateChain(gpu, [small, large], batches, { groups: [[], []] }),
      "groups are given for 2 pairs, 2 SAEs make 1",
    ],
  ];
  for (const [run, text] of cases) {
    await assertRejects(run, Error, text);
    assertEquals(gpu.allocated, 0);
  }
  const points = await interpolate(gpu, small, large, stream(), { groups: [], order: "random" });
  assertEquals(points.length, 35);
});
