import { assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import { nearestLatents } from "../../lib/stitching/nearest_latents.ts";
import { openTestDevice, randomMatrix, testOnDevices } from "../gpu_helper.ts";
import { cosines } from "../oracles/cosine.ts";

testOnDevices("the nearest latents are those of all cosines, sorted", async (open) => {
  using device = await open();
  for (
    const [m1, m0, d, count, skipSame] of [
      [1, 1, 1, 3, false],
      [40, 40, 3, 5, true],
      [33, 70, 16, 4, false],
      [70, 33, 16, 100, false],
      [30, 200, 64, 2, false],
    ] as const
  ) {
    const from = randomMatrix(m1 + d, m1, d);
    // Rows that are equal, and one of zeros.
    if (m1 > 2) from.data.copyWithin(0, d, 2 * d);
    if (m1 > 3) from.data.fill(0, 3 * d, 4 * d);
    const to = skipSame ? from : randomMatrix(m0 + d + 1, m0, d);
    const found = await nearestLatents(device, from, to, { count, skipSame });
    assertEquals(found.count, Math.min(count, m0 - (skipSame ? 1 : 0)));
    cosines(from, to).forEach((row, i) => {
      const wanted = row.map((cosine, j) => ({ cosine, j }))
        .filter(({ j }) => !(skipSame && j === i))
        .sort((a, b) => b.cosine - a.cosine || a.j - b.j).slice(0, found.count);
      wanted.forEach(({ cosine }, at) => {
        const slot = i * found.count + at;
        assertAlmostEquals(found.cosine[slot], cosine, 1e-6);
        assertAlmostEquals(row[found.latents[slot]], cosine, 1e-6);
      });
      const own = found.latents.slice(i * found.count, (i + 1) * found.count);
      assertEquals(new Set(own).size, found.count);
      if (skipSame) assertEquals(own.includes(i), false);
    });
  }
});

testOnDevices("fewer rows than there are others, each without its own", async (open) => {
  using device = await open();
  const to = randomMatrix(1, 7, 4);
  const from = { data: to.data.slice(0, 12), rows: 3, cols: 4 };
  const found = await nearestLatents(device, from, to, { count: 9, skipSame: true });
  assertEquals(found.count, 6);
  cosines(from, to).forEach((row, i) => {
    const wanted = row.filter((_, j) => j !== i).sort((a, b) => b - a);
    wanted.forEach((cosine, at) => assertAlmostEquals(found.cosine[i * 6 + at], cosine, 1e-6));
  });
});

Deno.test("nearest latents that cannot be found are refused", async () => {
  using device = await openTestDevice();
  const one = randomMatrix(1, 1, 4);
  await assertRejects(
    () => nearestLatents(device, one, one, { skipSame: true }),
    RangeError,
    "skipSame leaves latent 0 nothing to compare with",
  );
  await assertRejects(
    () => nearestLatents(device, one, one, { count: 0 }),
    RangeError,
    "count is 0, expected a whole number above 0",
  );
  await assertRejects(
    () => nearestLatents(device, one, randomMatrix(1, 2, 5)),
    RangeError,
    "the rows of to have 5 numbers, those of from 4",
  );
});
