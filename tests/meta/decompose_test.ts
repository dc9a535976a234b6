import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import fc from "fast-check";

import { decompose, type Decomposition } from "../../lib/meta/decompose.ts";
import { latentsOf, metaLatentsOf, relatedLatents } from "../../lib/meta/read_decomposition.ts";
import { rowsDigest } from "../../lib/meta/rows_digest.ts";
import type { Matrix, SparseMatrix } from "../../lib/matrix.ts";
import type { Sae } from "../../lib/sae/sae.ts";
import { combinationsOn } from "../depth.ts";
import {
  assertClose,
  NARROW,
  randomMatrix,
  randomNumbers,
  randomSae,
  testOnCpu,
  testOnDevices,
  TIGHT,
} from "../gpu_helper.ts";
import { takeApart, ties } from "../oracles/meta.ts";
import { toDense } from "../oracles/sparse.ts";

const dense = ({ rowOffsets, latents, values, cols }: SparseMatrix) =>
  toDense({ offsets: [...rowOffsets], latents: [...latents], values: [...values] }, cols);

const metaSae = (seed: number, d: number, m: number, more?: Partial<Sae>) =>
  randomSae(seed, d, m, { threshold: randomNumbers(seed + 9, m, 0.5).map(Math.abs), ...more });

function assertSame(found: Decomposition, meta: Sae, rows: Matrix): void {
  const oracle = takeApart(meta, rows);
  const weights = dense(found.latents);
  assertEquals([...weights].map((w) => w > 0), [...oracle.weights].map((w) => w > 0));
  assertClose(weights, oracle.weights, "weights");
  assertClose(found.squaredErrors, oracle.squaredErrors, "squared errors");
  if (rows.rows > 1) assertClose([found.explainedVariance], [oracle.explainedVariance], "variance");
  assertClose(found.singleErrors, oracle.singleErrors, "errors of single meta-latents", 1e-4);
  assertClose([found.variance], [oracle.variance], "variance of rows", 1e-6);
  const turned = dense(found.metaLatents);
  const m = meta.dictSize;
  assertEquals(
    [...weights],
    [...weights].map((_, at) => turned[(at % m) * rows.rows + Math.floor(at / m)]),
  );
}

testOnDevices("decompose equals float64 encoding of the decoder rows", async (open) => {
  const shapes = [[1, 1, 1], [1, 3, 5], [70, 8, 9], [33, 17, 65], [130, 5, 3]];
  for (const options of [{}, NARROW, TIGHT]) {
    using gpu = await open(options);
    const lists = { shape: shapes, subtractDecoderBias: [true, false] };
    for (const { shape, subtractDecoderBias } of combinationsOn(gpu, lists)) {
      const [rows, d, m] = shape;
      const seed = shapes.indexOf(shape);
      const explained = randomMatrix(seed, rows, d);
      const meta = metaSae(seed + 20, d, m, { subtractDecoderBias });
      assertSame(await decompose(gpu, meta, explained), meta, explained);
    }
    // Nothing is active.
    const silent = metaSae(3, 4, 6, { threshold: new Float32Array(6).fill(Infinity) });
    const found = await decompose(gpu, silent, randomMatrix(1, 5, 4));
    assertEquals([found.l0, found.deadMetaLatents, found.metaLatents.latents.length], [0, 6, 0]);
    assertEquals(gpu.allocated, 0);
  }
});

testOnCpu("decompose refuses an SAE that the meta-SAE does not explain", async (open) => {
  using gpu = await open();
  const sae = randomSae(1, 4, 10);
  const rows = { data: sae.wDec, rows: 10, cols: 4 };
  const explains = {
    name: "runs/a",
    dictSize: 10,
    dModel: 4,
    decoderDigest: await rowsDigest(rows),
  };
  const meta = metaSae(2, 4, 3, { metadata: { explains } });
  await decompose(gpu, meta, sae);
  const cases: [Sae, string][] = [
    [randomSae(1, 5, 10), "sae has dModel 5, the meta-SAE 4: it cannot explain"],
    [randomSae(1, 4, 9), "sae has 9 latents, the meta-SAE explains an SAE (runs/a) with 10"],
    [
      { ...sae, wDec: sae.wDec.with(39, 0.5) },
      "sae is not the SAE (runs/a) that the meta-SAE explains: it has the same shape, but other",
    ],
  ];
  for (const [other, text] of cases) {
    const error = await assertRejects(() => decompose(gpu, meta, other), RangeError);
    assertEquals(error.message.slice(0, text.length), text);
  }
  // One that says nothing of its SAE is taken by its width.
  await decompose(gpu, metaSae(2, 4, 3), randomSae(1, 4, 9));
});

testOnCpu(
  "a decomposition is read by latent, by meta-latent and by what latents share",
  async (open) => {
    using gpu = await open();
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 1, max: 12 }),
        async (rows, m) => {
          const explained = randomMatrix(rows, rows, 6);
          const meta = metaSae(m, 6, m);
          const found = await decompose(gpu, meta, explained);
          const weights = dense(found.latents);
          for (let i = 0; i < rows; i++) {
            const own = [...weights.slice(i * m, (i + 1) * m)];
            const expected = own.map((weight, latent) => ({ latent, weight }))
              .filter(({ weight }) => weight > 0)
              .sort((a, b) => b.weight - a.weight || a.latent - b.latent);
            assertEquals(metaLatentsOf(found, i), expected);
            for (const { latent, weight } of expected) {
              assert(
                latentsOf(found, latent).some((user) =>
                  user.latent === i && user.weight === weight
                ),
              );
            }
            const related = relatedLatents(found, i);
            const strength = new Float64Array(rows);
            for (const { latent, strength: value } of related) strength[latent] = value;
            assertClose(strength, ties(weights, m, i), "ties", 1e-12);
            assertEquals(related.length, ties(weights, m, i).filter((value) => value > 0).length);
            related.forEach(({ strength }, at) =>
              assert(at === 0 || strength <= related[at - 1].strength)
            );
            for (const { latent, shared } of related) {
              const products = shared.map((meta) => meta.weight * own[meta.latent]);
              products.forEach((product, at) => assert(at === 0 || product <= products[at - 1]));
              for (const meta of shared) {
                assertEquals(
                  meta.weight,
                  weights[latent * m + meta.latent],
                );
              }
            }
            assertEquals(relatedLatents(found, i, { most: 2 }), related.slice(0, 2));
          }
          for (let j = 0; j < m; j++) {
            const users = latentsOf(found, j).map(({ weight }) => weight);
            assertEquals(users, users.toSorted((a, b) => b - a));
          }
        },
      ),
      { numRuns: 8, seed: 1 },
    );
    const found = await decompose(gpu, metaSae(1, 6, 3), randomMatrix(1, 5, 6));
    assertThrows(
      () => metaLatentsOf(found, 5),
      RangeError,
      "latent is 5, expected a whole number from 0 to 4",
    );
    assertThrows(
      () => latentsOf(found, -1),
      RangeError,
      "metaLatent is -1, expected a whole number from 0 to 2",
    );
  },
);
