import { assert, assertEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import type { Device } from "../../lib/device/device.ts";
import type { Matrix } from "../../lib/matrix.ts";
import { classifyLatents, maxDecoderCosine } from "../../lib/stitching/decoder_cosine.ts";
import {
  describeGroup,
  groupsByKind,
  type LatentGroups,
  latentGroups,
} from "../../lib/stitching/latent_groups.ts";
import { NARROW, openGpu, presentAs, randomMatrix, randomSae, SMALL } from "../gpu_helper.ts";
import { components, cosines } from "../oracles/cosine.ts";

const KINDS = ["software", "hardware"] as const;

/** Plain arrays, for comparisons. */
function plain({ groups, smallOnly, largeOnly, edges }: LatentGroups) {
  return {
    groups: groups.map(({ small, large }) => ({ small: [...small], large: [...large] })),
    smallOnly: [...smallOnly],
    largeOnly: [...largeOnly],
    edges,
  };
}

/** What latentGroups must give, from the whole matrix. */
function expectedGroups(small: Matrix, large: Matrix, threshold: number) {
  const table = cosines(small, large);
  const near = table.flat().filter((value) => Math.abs(value - threshold) < 1e-6);
  assertEquals(near, [], "float32 cannot decide: take another seed");
  const found = components(table, threshold);
  const size = ({ rows, cols }: { rows: number[]; cols: number[] }) => rows.length + cols.length;
  return {
    groups: found.filter(({ rows, cols }) => rows.length > 0 && cols.length > 0)
      .sort((a, b) => size(b) - size(a) || a.rows[0] - b.rows[0])
      .map(({ rows, cols }) => ({ small: rows, large: cols })),
    smallOnly: found.filter(({ cols }) => cols.length === 0).map(({ rows }) => rows[0]),
    largeOnly: found.filter(({ rows }) => rows.length === 0).map(({ cols }) => cols[0]),
    edges: table.flat().filter((value) => value >= threshold).length,
  };
}

/** Directions in the plane, in degrees. */
function directions(degrees: number[]): Matrix {
  const data = degrees.flatMap((angle) =>
    [angle, angle - 90].map((a) => Math.cos(a * Math.PI / 180))
  );
  return { data: Float32Array.from(data), rows: degrees.length, cols: 2 };
}

Deno.test("latentGroups agrees with its oracle: both kernels, shapes, limits, thresholds", async () => {
  for (const options of [{}, NARROW, SMALL]) {
    using gpu = await openGpu(options);
    for (const [m0, m1, d] of [[1, 1, 3], [1, 40, 8], [40, 1, 8], [37, 130, 8], [150, 33, 8]]) {
      const [small, large] = [randomMatrix(m0, m0, d), randomMatrix(m1 + 500, m1, d)];
      for (const threshold of [-0.3, 0.45, 0.7123, 0.9]) {
        const expected = expectedGroups(small, large, threshold);
        for (const kind of KINDS) {
          const actual = await latentGroups(presentAs(gpu, kind), small, large, threshold);
          assertEquals(plain(actual), expected, `${kind} ${m0}×${m1} at ${threshold}`);
        }
      }
    }
    assertEquals(gpu.allocated, 0);
  }
});

Deno.test("latentGroups: a chain is one group however long, stars and pairs are their own", async () => {
  using gpu = await openGpu();
  const range = (length: number) => Array.from({ length }, (_, i) => i);
  // Neighbours are 1° apart, small and large ones in turns; θ reaches 1.2°.
  const [small, large] = [0, 1].map((odd) => directions(range(160).map((i) => 2 * i + odd)));
  const threshold = Math.cos(1.2 * Math.PI / 180);
  const { groups, edges, largeOnly } = await latentGroups(gpu, small, large, threshold);
  assertEquals([groups.length, edges, largeOnly.length], [1, 319, 0]);
  assertEquals([...groups[0].large], range(160));
  const found = await latentGroups(
    gpu,
    directions([0, 50, 100, 102, 150, 200]),
    directions([1, 101, 51, 49, 250, 199, 0.5, 100.5]),
    threshold,
  );
  assertEquals(plain(found), {
    groups: [
      { small: [2, 3], large: [1, 7] },
      { small: [0], large: [0, 6] },
      { small: [1], large: [2, 3] },
      { small: [5], large: [5] },
    ],
    smallOnly: [4],
    largeOnly: [4],
    edges: 8,
  });
});

Deno.test("laws: a partition, novel latents as classified, higher thresholds refine", async () => {
  using gpu = await openGpu();
  const model = fc.record({
    seed: fc.nat(1e6),
    m0: fc.integer({ min: 1, max: 30 }),
    m1: fc.integer({ min: 1, max: 60 }),
    thresholds: fc.tuple(
      fc.double({ min: -1, max: 1, noNaN: true }),
      fc.double({ min: -1, max: 1, noNaN: true }),
    ),
    // A threshold that is a cosine: that one is an edge still.
    exact: fc.boolean(),
  });
  for (const kind of KINDS) {
    const device = presentAs(gpu, kind);
    await fc.assert(
      fc.asyncProperty(model, async ({ seed, m0, m1, thresholds, exact }) => {
        const [small, large] = [randomSae(seed, 6, m0), randomSae(seed + 7, 6, m1)];
        const { cosine } = await maxDecoderCosine(device, small, large);
        const [low, high] = (exact ? [cosine[0], thresholds[1]] : thresholds).sort((a, b) => a - b);
        const coarse = await checkLaws(device, small, large, low, cosine);
        const fine = await checkLaws(device, small, large, high, cosine);
        assert(fine.edges <= coarse.edges);
        for (const side of ["small", "large"] as const) {
          const groupOf = new Map(
            coarse.groups.flatMap((group, g) =>
              Array.from(group[side], (latent) => [latent, g] as const)
            ),
          );
          for (const group of fine.groups) {
            assertEquals(new Set(Array.from(group[side], (latent) => groupOf.get(latent))).size, 1);
            assert(groupOf.has(group[side][0]));
          }
        }
      }),
      { numRuns: 15 },
    );
  }
});

async function checkLaws(
  gpu: Device,
  small: ReturnType<typeof randomSae>,
  large: ReturnType<typeof randomSae>,
  threshold: number,
  cosine: Float32Array,
): Promise<LatentGroups> {
  const found = await latentGroups(gpu, small, large, threshold);
  assertEquals(found.largeOnly, classifyLatents(cosine, threshold).novel);
  const sides = { small: found.smallOnly, large: found.largeOnly };
  for (const [side, { dictSize }] of [["small", small], ["large", large]] as const) {
    const all = [...sides[side], ...found.groups.flatMap((group) => [...group[side]])];
    assertEquals(all.sort((a, b) => a - b), Array.from({ length: dictSize }, (_, i) => i));
  }
  const sizes = found.groups.map(({ small, large }) => small.length + large.length);
  assertEquals(sizes, sizes.toSorted((a, b) => b - a));
  return found;
}

Deno.test("latentGroups: all edges, no edge, latents that are zero", async () => {
  using gpu = await openGpu();
  const [small, large] = [randomMatrix(1, 20, 3), randomMatrix(2, 300, 3)];
  const all = await latentGroups(gpu, small, large, -1);
  assertEquals([all.edges, all.groups.length, all.groups[0].large.length], [6000, 1, 300]);
  const none = await latentGroups(gpu, small, large, 1);
  assertEquals([none.edges, none.smallOnly.length, none.largeOnly.length], [0, 20, 300]);
  small.data.fill(0, 3, 6);
  const { groups, smallOnly } = await latentGroups(gpu, small, large, 0.001);
  assert(groups.every((group) => !group.small.includes(1)));
  assertEquals([...smallOnly], [1]);
});

Deno.test("latentGroups refuses what is no threshold, and other widths; it can be stopped", async () => {
  using gpu = await openGpu();
  const [small, large] = [randomSae(1, 4, 5), randomSae(2, 4, 9)];
  for (const threshold of [NaN, 1.1, -2, "0.7" as unknown as number]) {
    await assertRejects(
      () => latentGroups(gpu, small, large, threshold),
      RangeError,
      `threshold is ${threshold}, expected a cosine, from -1 to 1`,
    );
  }
  const cases: [typeof small, typeof large, string][] = [
    [randomSae(1, 3, 5), large, "the rows of small have 3 numbers, those of large 4"],
    [small, { ...large, wDec: large.wDec.with(0, Infinity) }, "the decoder of large is not finite"],
    [
      { ...small, wDec: small.wDec.with(4, NaN) },
      large,
      "the decoder of small is not finite in row 1",
    ],
  ];
  for (const [a, b, text] of cases) {
    await assertRejects(() => latentGroups(gpu, a, b, 0.7), RangeError, text);
  }
  const signal = AbortSignal.abort(new Error("enough"));
  await assertRejects(() => latentGroups(gpu, small, large, 0.7, { signal }), Error, "enough");
  assertEquals(gpu.allocated, 0);
});

Deno.test("groupsByKind and describeGroup say what groups are", () => {
  const group = (small: number[], large: number[]) => ({
    small: Uint32Array.from(small),
    large: Uint32Array.from(large),
  });
  const groups = [
    group([3, 4], [1, 2, 9]),
    group([1], [5, 6, 7]),
    group([2], [3, 4]),
    group([5, 8], [0]),
    group([6], [8]),
  ];
  const kinds = groupsByKind(groups);
  assertEquals(
    kinds.map(({ kind, count, smallLatents, largeLatents }) =>
      `${kind} ${count}: ${smallLatents}, ${largeLatents}`
    ),
    ["one-to-one 1: 1, 1", "split 2: 2, 5", "merged 1: 2, 1", "tangled 1: 2, 3"],
  );
  assertEquals(kinds[1].groups, [groups[1], groups[2]]);
  assertEquals(groupsByKind([]).map(({ count }) => count), [0, 0, 0, 0]);
  assertEquals(describeGroup(groups[0]), "3, 4 ↔ 1, 2, 9");
  assertEquals(describeGroup(groups[1], { most: 2 }), "1 ↔ 5, 6, 1 more");
  assertEquals(
    describeGroup(groups[4], { nameSmall: () => "blue", nameLarge: (i) => `large ${i}` }),
    "blue ↔ large 8",
  );
});
