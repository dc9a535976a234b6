import { assert, assertEquals, assertRejects } from "@std/assert";

import type { Matrix } from "../../lib/matrix.ts";
import { activationSimilarity } from "../../lib/stitching/activation_similarity.ts";
import { latentEffects, swapEffects } from "../../lib/stitching/effects.ts";
import { interpolate } from "../../lib/stitching/interpolate.ts";
import { nearestPairs, samplePairs } from "../../lib/stitching/latent_pairs.ts";
import { openChecked } from "../../lib/sae/inference.ts";
import { missingInformation } from "../../lib/stitching/missing_information.ts";
import { openPair } from "../../lib/stitching/pair.ts";
import { studyPair } from "../../lib/stitching/study_pair.ts";
import { makePair, makeRows, type PairOptions } from "./made_pair.ts";
import { someOf } from "../depth.ts";
import { testOnCpu, testOnDevices } from "../gpu_helper.ts";

const PAIR: PairOptions = {
  ...{ seed: 1, d: 9, sizes: [20, 33], architectures: ["batchtopk", "topk"] },
};

/** Counts how often functions read a property, by their names in the call stack. */
function spyOn<T extends object>(object: T, key: keyof T, counts: Record<string, number>): T {
  const value = object[key];
  return Object.defineProperty({ ...object }, key, {
    enumerable: true,
    get() {
      const caller = new Error().stack!.split("\n")[2];
      for (const name of Object.keys(counts)) if (caller.includes(`at ${name} `)) counts[name]++;
      return value;
    },
  });
}

testOnCpu(
  "a pair's SAEs are checked and uploaded once, and encode each batch once a pass",
  async (open) => {
    using gpu = await open();
    const { small, large } = makePair(PAIR);
    const counts = { checkSae: 0, uploadWeights: 0, runBlocks: 0 };
    const [own, other] = [small, large].map((sae) => spyOn(sae, "bEnc", counts));
    let passes = 0;
    const read = () => {
      passes++;
      return makeRows(4, 9, [12, 5]).map((x): Matrix => spyOn(x, "data", counts));
    };
    const study = (order: "benefit" | "cosine" | "random") => () =>
      studyPair(gpu, own, other, read, { order, threshold: 0.5 });
    const path = (order: "benefit" | "random") => () =>
      interpolate(gpu, own, other, read, { order, threshold: 0.5 });
    // In a study the random twin of each SAE encodes the batches of the second pass.
    const cases: [() => Promise<unknown>, passes: number, encodings: number][] = [
      [study("benefit"), 2, 2 * 4 + 4],
      [study("cosine"), 2, 2 * 4 + 4],
      [study("random"), 2, 2 * 4 + 4],
      [path("benefit"), 2, 2 * 4],
      [path("random"), 1, 4],
      [() => latentEffects(gpu, own, other, read()), 1, 4],
      [() => swapEffects(gpu, own, other, [], read()), 1, 4],
    ];
    for (const [run, reads, encodings] of cases) {
      passes = 0;
      Object.assign(counts, { checkSae: 0, uploadWeights: 0, runBlocks: 0 });
      await run();
      assertEquals(passes, reads);
      assertEquals(counts, { checkSae: 2, uploadWeights: 2, runBlocks: encodings });
      assertEquals(gpu.allocated, 0);
    }
  },
);

testOnDevices(
  "a pair holds the weights of both SAEs once: walks use the decoders that encode",
  async (open) => {
    using gpu = await open();
    const { small, large } = makePair(PAIR);
    const opened = [small, large].map((sae) => openChecked(gpu, sae));
    const once = gpu.allocated;
    assert(once >= 4 * 2 * 9 * (20 + 33), `${once} bytes for encoders and decoders`);
    for (const inference of opened) inference[Symbol.dispose]();
    using _pair = openPair(gpu, small, large);
    assertEquals(gpu.allocated, once);
  },
);

testOnDevices("studyPair finds what each of its measurements finds alone", async (open) => {
  using gpu = await open();
  const { small, large } = makePair(PAIR);
  const batches = makeRows(4, 9, [12, 30]);
  const orders = ["benefit", "cosine", "random"] as const;
  for (const order of gpu.kind === "gpu" ? someOf(orders, 1) : orders) {
    const study = await studyPair(gpu, small, large, batches, { order, threshold: 0.5, seed: 3 });
    const { groups: { groups, largeOnly }, nearest } = study;
    assertEquals(study.effects, await latentEffects(gpu, small, large, batches));
    assertEquals(study.swaps, await swapEffects(gpu, small, large, groups, batches));
    assertEquals(study.missing, await missingInformation(gpu, small, large, largeOnly, batches));
    const pairs = [
      ...nearestPairs(nearest.nearest),
      ...samplePairs(small, large, { seed: 3 }),
    ];
    assertEquals(study.similarity, await activationSimilarity(gpu, small, large, pairs, batches));
    const options = { threshold: 0.5, order, seed: 3 };
    assertEquals(
      study.path,
      await interpolate(gpu, small, large, batches, { ...options, removal: "each" }),
    );
    assertEquals(study.path.at(-1)!.largeCount, 33);
    assertEquals(
      study.randomInsertions,
      await interpolate(gpu, small, large, batches, { ...options, order: "random", swap: false }),
    );
  }
  assertEquals(gpu.allocated, 0);
});

testOnCpu(
  "studyPair stops, frees what it takes, and refuses a stream that is read once",
  async (open) => {
    using gpu = await open();
    const { small, large } = makePair(PAIR);
    const batches = makeRows(4, 9, [12, 30]);
    const seen: string[] = [];
    const all = async (stopAt = Infinity) => {
      seen.length = 0;
      const controller = new AbortController();
      await studyPair(gpu, small, large, batches, {
        signal: controller.signal,
        onProgress({ phase, done }) {
          seen.push(`${phase} ${done}`);
          if (seen.length === stopAt) controller.abort(new Error("enough"));
        },
      });
    };
    await all();
    const complete = [...seen];
    assertEquals(complete.filter((line) => line.endsWith(" 42")).length, 2);
    for (let stopAt = 1; stopAt < complete.length; stopAt++) {
      await assertRejects(() => all(stopAt), Error, "enough");
      assertEquals(seen, complete.slice(0, seen.length));
      assertEquals(gpu.allocated, 0);
    }
    const stream = batches[Symbol.iterator]();
    await assertRejects(
      () => studyPair(gpu, small, large, stream),
      TypeError,
      "a study of a pair reads the activations 2 times, the batches are a stream",
    );
    await assertRejects(
      () => studyPair(gpu, small, large, []),
      RangeError,
      "there were no activations to measure on",
    );
    assertEquals(gpu.allocated, 0);
  },
);
