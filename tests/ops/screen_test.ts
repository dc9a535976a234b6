import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import type { DeviceOptions } from "../../lib/device/device.ts";
import { createRandom } from "../../lib/random.ts";
import { randomNumbers } from "../gpu_helper.ts";
import { combinations, drawSeed, howMany } from "../depth.ts";
import { openTestCpu } from "../test_cpu.ts";
import { allPairs, checkSelection, type Selection, selectOn } from "./screen_helper.ts";

const VARIANTS: DeviceOptions[] = [
  { workers: 0 },
  { workers: 0, simd: false, integerProduct: false },
  { workers: 2 },
  { workers: 2, simd: false },
];

/** Two of them, for what takes long: one thread's plain loops, and all that there is. */
const FEW = [VARIANTS[1], VARIANTS[2]];

/** Selects on the CPU device, opened in one of the ways. */
async function checkOn(options: DeviceOptions, selection: Selection) {
  using cpu = await openTestCpu(options);
  const counts = await checkSelection([cpu], selection);
  cpu.check();
  assertEquals(cpu.allocated, 0);
  return counts;
}

const CUTS = ["batch", "row", "latent"] as const;

/** The same numbers under one of the rules. */
function underRule(
  base: Omit<Selection, "cut">,
  cut: Selection["cut"],
  wanted: number,
  threshold: Float32Array = new Float32Array(base.bEnc.length),
): Selection {
  const n = base.x.length / base.d;
  if (cut === "latent") return { ...base, cut, threshold };
  const perRow = Math.max(1, Math.min(base.bEnc.length, Math.round(wanted / n)));
  return { ...base, cut, wanted: cut === "row" ? perRow : wanted };
}

const random = (seed: number, n: number, d: number, m: number, scale = 1) => ({
  name: `random ${n}×${d}×${m}`,
  x: randomNumbers(seed, n * d, scale),
  wEnc: randomNumbers(seed + 1, m * d),
  bEnc: randomNumbers(seed + 2, m, 0.3),
  d,
});

const MAX = (2 - 2 ** -23) * 2 ** 127;

Deno.test("screening selects what all pairs' exact dots select: random rows of any shape", async () => {
  const shape = [[1, 1, 1], [1, 17, 300], [130, 1, 70], [129, 17, 200]];
  const wanted = ["one", "a part", "all but one", "all", "more than all"] as const;
  for (const one of combinations({ cpu: VARIANTS, shape, wanted, cut: CUTS })) {
    const [n, d, m] = one.shape;
    const all = n * m;
    const counts = {
      ...{ one: 1, "a part": Math.ceil(all / 20), "all but one": all - 1 },
      ...{ all, "more than all": 3 * all },
    };
    const count = Math.max(1, counts[one.wanted]);
    const threshold = randomNumbers(9, m, 0.5);
    await checkOn(one.cpu, underRule(random(n, n, d, m), one.cut, count, threshold));
  }
});

Deno.test("screening selects what all pairs' exact dots select: adversarial rows", async () => {
  const [n, d, m] = [130, 20, 66];
  const base = random(3, n, d, m);
  const spoil = (data: Float32Array, more: [at: number, value: number][]) => {
    const copy = data.slice();
    for (const [at, value] of more) copy[at] = value;
    return copy;
  };
  const integers = (seed: number, length: number, most: number) => {
    const own = createRandom(seed);
    return Float32Array.from({ length }, () => own.below(2 * most + 1) - most);
  };
  const some = (length: number, every: number, value: (at: number) => number) =>
    Float32Array.from({ length }, (_, at) => at % every ? 0 : value(at));
  const cases: Omit<Selection, "cut">[] = [
    { ...base, name: "zero rows", x: base.x.map((value, at) => at < 7 * d ? 0 : value) },
    { ...base, name: "all rows zero", x: new Float32Array(n * d) },
    { ...base, name: "zero encoder", wEnc: new Float32Array(m * d) },
    { ...base, name: "all zero", x: new Float32Array(n * d), bEnc: new Float32Array(m) },
    { ...base, name: "one huge coordinate", x: spoil(base.x, [[5, 1e38], [700, -3e38]]) },
    { ...base, name: "a huge column", x: base.x.map((value, at) => at % d ? value : 1e36 * value) },
    { ...base, name: "huge rows", x: base.x.map((value) => value * 1e38) },
    { ...base, name: "huge encoder", wEnc: base.wEnc.map((value) => value * 1e38) },
    {
      ...base,
      name: "sums that overflow",
      x: base.x.map((value) => value * 1e19),
      wEnc: base.wEnc.map((value) => value * 1e19),
    },
    {
      ...base,
      name: "sums near the largest number",
      x: base.x.map((value) => value * 1e18),
      wEnc: base.wEnc.map((value) => value * 1e20),
    },
    { ...base, name: "huge bias", bEnc: base.bEnc.map((value) => value * 1e30) },
    { ...base, name: "largest bias", bEnc: base.bEnc.map((value) => value > 0 ? MAX : -MAX) },
    { ...base, name: "infinite bias", bEnc: spoil(base.bEnc, [[3, Infinity], [4, -Infinity]]) },
    { ...base, name: "a bias that is no number", bEnc: spoil(base.bEnc, [[3, NaN]]) },
    { ...base, name: "a NaN weight", wEnc: spoil(base.wEnc, [[7 * d + 3, NaN]]) },
    {
      ...base,
      name: "infinite weights",
      wEnc: spoil(base.wEnc, [[45, Infinity], [99, -Infinity]]),
    },
    { ...base, name: "all weights infinite", wEnc: base.wEnc.map((value) => value / 0) },
    { ...base, name: "subnormal rows", x: base.x.map((value) => value * 1e-41) },
    {
      ...base,
      name: "subnormal all",
      x: base.x.map((value) => value * 1e-41),
      wEnc: base.wEnc.map((value) => value * 1e-3),
      bEnc: base.bEnc.map((value) => value * 1e-42),
    },
    {
      ...base,
      name: "tiny encoder, large rows",
      x: base.x.map((value) => value * 1e17),
      wEnc: base.wEnc.map((value) => value * 1e-24),
      bEnc: new Float32Array(m),
    },
    {
      ...base,
      name: "rows of unlike size",
      x: base.x.map((value, at) => value * 10 ** (Math.floor(at / d) % 60 - 30)),
      bEnc: new Float32Array(m),
    },
    {
      ...base,
      name: "columns of unlike size",
      x: base.x.map((value, at) => value * 10 ** (at % d * 2 - 20)),
      wEnc: base.wEnc.map((value, at) => value * 10 ** (20 - at % d * 2)),
    },
    { ...base, name: "one column alone", x: some(n * d, d, (at) => base.x[at]) },
    {
      ...base,
      name: "few integers",
      x: integers(1, n * d, 1),
      wEnc: integers(2, m * d, 1),
      bEnc: new Float32Array(m),
    },
    {
      ...base,
      name: "all equal",
      x: new Float32Array(n * d).fill(1),
      wEnc: new Float32Array(m * d).fill(0.5),
      bEnc: new Float32Array(m).fill(0.125),
    },
    {
      // The bias decides, a little dot rounds it up to the cut or not.
      ...base,
      name: "dots below the bias's last bit",
      x: base.x.map((value) => value * 2 ** -12),
      wEnc: base.wEnc.map((value) => value * 2 ** -12),
      bEnc: base.bEnc.map((_, at) => 1 - at % 3 * 2 ** -24),
    },
    { ...base, name: "no positive one", bEnc: new Float32Array(m).fill(-1e6) },
    { ...base, name: "a batch that is not finite", x: spoil(base.x, [[77, NaN], [9, Infinity]]) },
  ];
  const threshold = randomNumbers(5, m, 0.5);
  const drawn = combinations({ cpu: VARIANTS, rows: cases, count: [100, 5 * n], cut: CUTS });
  for (const { cpu, rows, count, cut } of drawn) {
    await checkOn(cpu, underRule(rows, cut, count, threshold));
  }
});

Deno.test("screening selects the same whatever the cut that it starts from", async () => {
  // 150,000 pairs: of a cut that is too low more is found than there is room for (65,536).
  const base = { ...random(7, 300, 18, 500), cut: "batch" as const };
  const z = allPairs(base);
  const positive = z.filter((value) => value > 0).length;
  assert(positive > 70_000);
  const infinite = { ...base, bEnc: base.bEnc.with(3, Infinity) };
  const most = { ...base, wanted: positive + 1, name: "all positive" };
  const selections = [{ ...base, wanted: 3 }, { ...base, wanted: 40_000 }, most];
  selections.push({ ...infinite, wanted: 200 });
  const before = [1e-45, 0.1, 1, 100, MAX, Infinity];
  const cases = combinations(
    { cpu: FEW, selection: selections, before },
    (one) => (one.selection === most) === (one.before === 1),
  );
  for (const { cpu, selection, before } of cases) {
    const name = `${selection.name}, cut ${before}`;
    await checkOn(cpu, { ...selection, before, name });
  }
});

Deno.test("more numbers equal the cut than there is room for: the first in order stay", async () => {
  const [n, d, m] = [300, 18, 500];
  const flat = {
    name: "equals",
    x: new Float32Array(n * d).fill(1),
    wEnc: new Float32Array(m * d).fill(0.5),
    bEnc: new Float32Array(m),
    d,
    cut: "batch" as const,
  };
  // A few rows are larger: those at the end are found last, beyond what there is room for.
  const raised = (rows: number[]) =>
    flat.x.map((value, at) => rows.includes(Math.floor(at / d)) ? 2 : value);
  const many = raised(Array.from({ length: 160 }, (_, at) => 140 + at));
  const starts = [{ before: undefined, wanted: 499 }, { before: 20, wanted: 32_000 }];
  const x = [flat.x, raised([299]), many];
  for (const { cpu, start, x: rows } of combinations({ cpu: FEW, start: starts, x })) {
    await checkOn(cpu, { ...flat, ...start, x: rows });
  }
});

Deno.test("screening among listed latents, more than a slice of them and none", async () => {
  const [n, d, m] = [20, 9, 5000];
  const base = { ...random(5, n, d, m), cut: "row" as const };
  const own = createRandom(1);
  const lists = [
    [],
    [4999],
    [...Array(m).keys()],
    [...Array(m).keys()].filter(() => own.below(3) === 0),
  ];
  const cases = { cpu: FEW, among: lists, wanted: [1, 32, 600] };
  for (const { cpu, ...how } of combinations(cases)) {
    await checkOn(cpu, { ...base, ...how });
  }
});

Deno.test("screening 98,304 latents", async () => {
  const m = 98_304;
  const base = random(2, 2, 6, m);
  const threshold = new Float32Array(m).fill(2);
  // As many as there are: arrays of that length cannot be passed as arguments.
  const all: Selection = {
    ...random(3, 1, 2, 150_000),
    ...{ bEnc: new Float32Array(150_000).fill(9), cut: "row", wanted: 150_000 },
  };
  const selections = [...CUTS.map((cut) => underRule(base, cut, 2 * 32, threshold)), all];
  for (const { cpu, selection } of combinations({ cpu: FEW, selection: selections })) {
    await checkOn(cpu, selection);
  }
});

Deno.test("screening rules most pairs out, of planted rows too", async () => {
  const [n, d, m, k] = [256, 64, 1024, 8];
  const planted = createRandom(1);
  const wEnc = randomNumbers(2, m * d);
  for (let i = 0; i < m; i++) {
    const row = wEnc.subarray(i * d, (i + 1) * d);
    const norm = Math.hypot(...row);
    row.forEach((value, c) => row[c] = value / norm);
  }
  const x = new Float32Array(n * d);
  for (let r = 0; r < n; r++) {
    for (let j = 0; j < k; j++) {
      const [latent, size] = [planted.below(m), 1 + planted.uniform()];
      for (let c = 0; c < d; c++) x[r * d + c] += size * wEnc[latent * d + c];
    }
  }
  const base = { name: "planted", x, wEnc, bEnc: new Float32Array(m), d };
  const selections = CUTS.flatMap((cut) => [
    underRule(base, cut, n * k, new Float32Array(m).fill(1)),
    underRule({ ...random(1, n, d, m), name: "random" }, cut, n * k, new Float32Array(m).fill(7)),
  ]);
  for (const { cpu, selection } of combinations({ cpu: VARIANTS, selection: selections })) {
    const { candidates, kept } = await checkOn(cpu, selection);
    if (Deno.env.get("SAEWING_TEST_REPORT")) {
      const each = (candidates / kept).toFixed(3);
      console.log(`${selection.name}, ${selection.cut}: ${each} candidates per kept entry`);
    }
    assert(candidates >= kept && candidates < n * m / 4, `${candidates} candidates`);
  }
});

Deno.test("screening selects what all pairs' exact dots select: rows of any magnitude", async () => {
  using plain = await openTestCpu({ workers: 0, simd: false, integerProduct: false });
  using fast = await openTestCpu({ workers: 0 });
  const shape = fc.record({
    n: fc.integer({ min: 1, max: 140 }),
    d: fc.integer({ min: 1, max: 40 }),
    m: fc.integer({ min: 1, max: 90 }),
    cut: fc.constantFrom(...CUTS),
    share: fc.double({ min: 0, max: 1, noNaN: true }),
    sizes: fc.array(fc.integer({ min: -44, max: 38 }), { minLength: 3, maxLength: 3 }),
    spread: fc.integer({ min: 0, max: 20 }),
    steps: fc.constantFrom(1, 2, 127, 2 ** 24),
    seed: fc.nat(),
  });
  await fc.assert(
    fc.asyncProperty(shape, async ({ n, d, m, cut, share, sizes, spread, steps, seed }) => {
      const own = createRandom(seed);
      const numbers = (length: number, size: number) =>
        Float32Array.from({ length }, () => {
          const value = Math.round((2 * own.uniform() - 1) * steps) / steps;
          const power = size + own.below(2 * spread + 1) - spread;
          return Math.max(-MAX, Math.min(MAX, value * 10 ** power));
        });
      const base = {
        name: "any",
        x: numbers(n * d, sizes[0]),
        wEnc: numbers(m * d, sizes[1]),
        bEnc: numbers(m, Math.min(38, sizes[0] + sizes[1], sizes[2])),
        d,
      };
      const wanted = Math.max(1, Math.round(share * n * m));
      const threshold = numbers(m, sizes[0] + sizes[1]);
      await checkSelection([plain, fast], underRule(base, cut, wanted, threshold));
    }),
    { numRuns: howMany(20, 180), seed: drawSeed() },
  );
});

Deno.test("where room runs out the offsets still say how much is kept of each latent's threshold", async () => {
  using cpu = await openTestCpu({ workers: 0 });
  const base = random(1, 40, 5, 30);
  const [{ sparse }] = await selectOn(cpu, {
    ...base,
    cut: "latent",
    threshold: new Float32Array(30),
  });
  assertEquals(
    sparse.values.length,
    allPairs({ ...base, cut: "latent" }).filter((z) => z > 0).length,
  );
});
