import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { shuffleRows } from "../lib/activations/shuffle_rows.ts";
import { type Batches, openStream, readRepeatedly } from "../lib/batches.ts";
import { openDevice } from "../lib/device/open_device.ts";
import { evaluateOnTexts } from "../lib/evaluation/evaluate_on_texts.ts";
import { evaluateSae } from "../lib/evaluation/evaluate_sae.ts";
import type { LanguageModel } from "../lib/language_model/open_language_model.ts";
import { measureNormLimit } from "../lib/sae/separate_massive.ts";
import { fitGain } from "../lib/stitching/controls.ts";
import { latentEffects } from "../lib/stitching/effects.ts";
import { sweepGrid } from "../lib/sweep/grid.ts";
import { sweepSaes } from "../lib/sweep/sweep_saes.ts";
import { trainSae } from "../lib/training/train_sae.ts";
import type { Sae } from "../lib/sae/sae.ts";
import type { Progress } from "../lib/progress.ts";
import { randomMatrix, randomSae } from "./gpu_helper.ts";

const makeSae = (seed: number, m: number): Sae => ({
  ...randomSae(seed, 6, m),
  architecture: "relu",
});
const LIST = [1, 2, 3].map((seed) => randomMatrix(seed, 16, 6));
async function* stream() {
  for (const batch of LIST) yield await Promise.resolve(batch);
}

Deno.test("whatever reads activations once takes a list, a stream, and a function", async () => {
  using device = await openDevice({ device: "cpu", workers: 0 });
  const sae = makeSae(1, 12);
  const large = makeSae(2, 20);
  const options = { architecture: "batchtopk", dictSize: 12, k: 3, recordEvery: 1 } as const;
  const readers: ((batches: Batches) => Promise<unknown>)[] = [
    async (batches) => (await trainSae(device, batches, options)).sae.wDec,
    async (batches) => await evaluateSae(device, sae, batches),
    async (batches) => await latentEffects(device, sae, large, batches),
    async (batches) => await fitGain(device, sae, batches),
    async (batches) => await measureNormLimit(batches),
    async (batches) =>
      await Array.fromAsync(shuffleRows(batches, { bufferRows: 8, batchSize: 4, seed: 0 })),
  ];
  for (const read of readers) {
    const wanted = await read(LIST);
    for (const batches of [LIST.values(), stream(), () => LIST, stream]) {
      assertEquals(await read(batches), wanted);
    }
  }
});

Deno.test("a stream that is needed twice is refused before it is read", async () => {
  using device = await openDevice({ device: "cpu", workers: 0 });
  assertEquals([...openStream(() => [1, 2]) as number[]], [1, 2]);
  assertEquals(readRepeatedly(LIST, 3, "a test")(), LIST);
  assertEquals(readRepeatedly(stream, 3, "a test"), stream);
  const once = stream();
  assertEquals(readRepeatedly(once, 1, "a test")(), once);
  assertThrows(
    () => readRepeatedly(once, 2, "a test"),
    TypeError,
    "a test reads the activations 2 times, the batches are a stream that can be read once: give an " +
      "array of them, or a function that returns the stream anew",
  );
  const cells = sweepGrid({ dictSize: [8, 12], k: 2, steps: 1 });
  await assertRejects(
    () =>
      sweepSaes(device, once, cells, {
        batch: LIST[0],
        atOnce: 1,
        measure: (saes) =>
          Promise.all(
            saes.map(async (sae) => ({ evaluation: await evaluateSae(device, sae, LIST) })),
          ),
      }),
    TypeError,
    "a sweep in 2 groups reads the activations 2 times",
  );
  async function* texts() {
    yield await Promise.resolve("text");
  }
  await assertRejects(
    () => evaluateOnTexts(device, {} as LanguageModel, makeSae(1, 12), texts()),
    TypeError,
    "an evaluation reads the texts 3 times, the texts are a stream that can be read once",
  );
  assertEquals((await once.next()).value, LIST[0]);
});

Deno.test("evaluateSae tells how far it is, and stops when it is told to", async () => {
  using device = await openDevice({ device: "cpu", workers: 0 });
  const told: Progress[] = [];
  const sae = makeSae(1, 12);
  const controller = new AbortController();
  const onProgress = (progress: Progress) => {
    told.push(progress);
    if (told.length === 2) controller.abort(new Error("enough"));
  };
  const normLimit = "none";
  await assertRejects(
    () => evaluateSae(device, sae, LIST, { normLimit, onProgress, signal: controller.signal }),
    Error,
    "enough",
  );
  assertEquals(told, [16, 32].map((done) => ({ phase: "reconstruction", done })));
  await assertRejects(
    () => measureNormLimit(LIST, { signal: controller.signal }),
    Error,
    "enough",
  );
  assertEquals(device.allocated, 0);
});
