import { assert, assertAlmostEquals, assertEquals, assertRejects, assertThrows } from "@std/assert";

import { decoderBiasAgreement, decoderOverlap } from "../../lib/stitching/decoder_cosine.ts";
import { assertClose, openGpu, presentAs, randomNumbers, randomSae } from "../gpu_helper.ts";
import { cosines, rowMaxima } from "../oracles/cosine.ts";

Deno.test("decoderOverlap agrees with its oracle, for every pair", async () => {
  using gpu = await openGpu();
  const saes = [17, 40, 9].map((m, i) => ({ name: `sae ${i}`, sae: randomSae(i * 10, 5, m) }));
  const rows = saes.map(({ sae }) => ({ data: sae.wDec, rows: sae.dictSize, cols: 5 }));
  const mean = (numbers: number[]) => numbers.reduce((sum, x) => sum + x, 0) / numbers.length;
  const counts: number[] = [];
  for (const kind of ["software", "hardware"] as const) {
    const found = await decoderOverlap(presentAs(gpu, kind), saes, 0.7, {
      onProgress({ done, total }) {
        assertEquals(total, 66 * 66 - 17 * 17 - 40 * 40 - 9 * 9);
        counts.push(done);
      },
    });
    assertEquals(found.names, ["sae 0", "sae 1", "sae 2"]);
    for (const [i, own] of rows.entries()) {
      const maxima = rows.map((other) => rowMaxima(cosines(own, other)).cosine);
      const shares = maxima.map((values) => mean(values.map((value) => value >= 0.7 ? 1 : 0)));
      assertEquals(found.share[i], shares);
      assertEquals(found.share[i][i], 1);
      assertClose(found.meanCosine[i], maxima.map(mean), `mean cosines of ${i}`, 1e-6);
    }
    assert(found.share[0][1] !== found.share[1][0]);
    assertEquals(counts.splice(0).at(-1), 66 * 66 - 17 * 17 - 40 * 40 - 9 * 9);
  }
});

Deno.test("decoderOverlap refuses no SAE, other widths, no threshold", async () => {
  using gpu = await openGpu();
  const a = { name: "a", sae: randomSae(1, 4, 5) };
  const b = { name: "b", sae: randomSae(1, 3, 5) };
  const broken = { name: "broken", sae: randomSae(1, 4, 5) };
  broken.sae.wDec[9] = NaN;
  const cases: [typeof a[], number, string][] = [
    [[], 0.7, "the number of SAEs is 0, expected a whole number above 0"],
    [[a, b], 0.7, "b has dModel 3, expected 4 as a has"],
    [[a, broken], 0.7, "the decoder of broken is not finite in row 2, column 1: NaN"],
    [[a], NaN, "threshold is NaN, expected a cosine"],
  ];
  for (const [saes, threshold, text] of cases) {
    await assertRejects(() => decoderOverlap(gpu, saes, threshold), RangeError, text);
  }
});

Deno.test("decoderBiasAgreement: cosines and norms of every pair", () => {
  const biases = [[3, 4, 0], [3, 4, 0], [6, 8, 0], [0, 0, 5], [-3, -4, 0], [0, 0, 0]];
  const saes = biases.map((bias, i) => ({
    name: `sae ${i}`,
    sae: { bDec: Float32Array.from(bias) },
  }));
  const found = decoderBiasAgreement(saes);
  assertEquals(found.names[5], "sae 5");
  assertClose(found.cosine[0], [1, 1, 1, 0, -1, 0], "cosines", 1e-12);
  assertClose(found.normDifference[0], [0, 0, 0.5, 0, 0, 1], "norms", 1e-12);
  assertClose(found.normDifference[2], [0.5, 0.5, 0, 0.5, 0.5, 1], "norms", 1e-12);
  assertEquals([found.cosine[5][5], found.normDifference[5][5]], [0, 0]);
  assertEquals([found.leastCosine, found.mostDifference], [-1, 1]);

  const near = [0, 1, 2].map((i) => {
    const bDec = randomNumbers(1, 50).map((value, at) => value * (1 + i / 1000) + at * i * 1e-4);
    return { name: `seed ${i}`, sae: { bDec } };
  });
  const { cosine, leastCosine, mostDifference } = decoderBiasAgreement(near);
  assertEquals(leastCosine, Math.min(cosine[0][1], cosine[0][2], cosine[1][2]));
  assert(leastCosine > 0.99 && leastCosine < 1);
  assert(mostDifference > 0);
  assertEquals(cosine, cosine.map((row, i) => row.map((_, j) => cosine[j][i])));

  const alone = decoderBiasAgreement(near.slice(0, 1));
  assertEquals([alone.leastCosine, alone.mostDifference], [1, 0]);
  assertAlmostEquals(alone.cosine[0][0], 1);
});

Deno.test("decoderBiasAgreement refuses no SAE, other widths and NaN", () => {
  const named = (name: string, ...bias: number[]) => ({
    name,
    sae: { bDec: Float32Array.from(bias) },
  });
  const cases: [ReturnType<typeof named>[], string][] = [
    [[], "the number of SAEs is 0"],
    [[named("a", 1, 2), named("b", 1)], "the decoder bias of b has 1 numbers, expected 2 as a has"],
    [[named("a", 1, NaN)], "the decoder bias of a is NaN in column 1"],
  ];
  for (const [saes, text] of cases) {
    assertThrows(() => decoderBiasAgreement(saes), RangeError, text);
  }
});
