import { assert, assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import type { Device } from "../../lib/device/device.ts";
import { decompose } from "../../lib/meta/decompose.ts";
import { randomUnitRows } from "../../lib/meta/random_unit_rows.ts";
import { shuffledEpochs } from "../../lib/meta/shuffled_epochs.ts";
import { type MetaSaeOptions, trainMetaSae } from "../../lib/meta/train_meta_sae.ts";
import { initializeSae } from "../../lib/sae/initialize.ts";
import { createRandom } from "../../lib/random.ts";
import { loadSae } from "../../lib/formats/load_sae.ts";
import { saveSae } from "../../lib/formats/sae_folder.ts";
import type { Sae } from "../../lib/sae/sae.ts";
import type { Checkpoint } from "../../lib/training/checkpoint.ts";
import { firstBatchToResume } from "../../lib/training/resume.ts";
import { trainSae } from "../../lib/training/train_sae.ts";
import { asked } from "../depth.ts";
import { randomMatrix, randomSae, testOnCpu, testOnDevices } from "../gpu_helper.ts";
import { takeApart } from "../oracles/meta.ts";
import { composedSae, rowsOf } from "./made_rows.ts";

const SAE = composedSae(5, 60, 12, 8);
const OPTIONS: MetaSaeOptions = {
  dictSize: 10,
  k: 2,
  epochs: 20,
  batchSize: 16,
  learningRate: 1e-2,
};

Deno.test("an epoch reads every row once, in its own order, and a stream can start late", () => {
  const rows = { data: Float32Array.from({ length: 14 }, (_, i) => i), rows: 7, cols: 2 };
  const take = (count: number, seed: number, first?: number) => {
    const stream = shuffledEpochs(rows, 3, seed, first);
    return Array.from({ length: count }, () => stream.next().value!);
  };
  const read = take(7, 1).flatMap(({ data }) => [...data].filter((value) => value % 2 === 0));
  const epochs = [read.slice(0, 7), read.slice(7, 14), read.slice(14)];
  for (const epoch of epochs) {
    assertEquals(epoch.toSorted((a, b) => a - b), [0, 2, 4, 6, 8, 10, 12]);
  }
  assertNotEquals(epochs[0], epochs[1]);
  for (const { data } of take(7, 1)) {
    for (let r = 0; r < 3; r++) assertEquals(data[2 * r] + 1, data[2 * r + 1]);
  }
  assertEquals(take(4, 1, 3), take(7, 1).slice(3));
  assertNotEquals(take(2, 2), take(2, 1));
  // More rows in a batch than there are.
  const [wide] = [...take(1, 3)];
  assertEquals(wide.rows, 3);
  assertEquals(shuffledEpochs(rows, 20, 1).next().value!.data.length, 40);
});

testOnDevices(
  "a meta-SAE is trained on the rows as they are, measured, and says what it explains",
  async (open) => {
    using gpu = await open();
    const trained = await trainMetaSae(gpu, SAE, { ...OPTIONS, name: "runs/a" });
    const { meta, history, explainedVariance, l0, deadMetaLatents } = trained;
    assertEquals(history.length, Math.ceil(20 * 60 / 16));
    assertEquals([meta.architecture, meta.dModel, meta.dictSize, meta.k], ["batchtopk", 12, 10, 2]);
    const digest = new Uint8Array(
      await crypto.subtle.digest("SHA-256", Uint8Array.from(new Uint8Array(SAE.wDec.buffer))),
    );
    assertEquals(meta.metadata.explains, {
      name: "runs/a",
      dictSize: 60,
      dModel: 12,
      decoderDigest: digest.toHex(),
    });
    const oracle = takeApart(meta, rowsOf(SAE));
    assert(Math.abs(explainedVariance - oracle.explainedVariance) < 1e-4);
    const active = oracle.weights.filter((weight) => weight > 0).length;
    assertEquals(l0, active / 60);
    const used = new Set(
      [...oracle.weights.keys()].filter((at) => oracle.weights[at] > 0).map((at) => at % 10),
    );
    assertEquals(deadMetaLatents, 10 - used.size);
    // The settings are the paper's where options say nothing else.
    const { training } = meta.metadata as { training: Record<string, number> };
    assertEquals([training.auxCoefficient, training.deadAfter, training.beta2], [
      1 / 16,
      100,
      0.99,
    ]);
    assertEquals(gpu.allocated, 0);
    if (gpu.kind === "gpu" && !asked.full) return;
    // The same bits again, from rows in place of the SAE; more of composed rows than of random ones.
    const again = await trainMetaSae(gpu, rowsOf(SAE), OPTIONS);
    assertEquals(again.meta.wDec, meta.wDec);
    assertNotEquals((await trainMetaSae(gpu, SAE, { ...OPTIONS, seed: 1 })).meta.wDec, meta.wDec);
    const control = await trainMetaSae(gpu, randomUnitRows(60, 12, { seed: 7 }), OPTIONS);
    assert(explainedVariance > control.explainedVariance + 0.2, `${explainedVariance}`);
  },
);

testOnCpu(
  "rows are read as they are, from a decoder bias of zero, by every architecture",
  async (open) => {
    using gpu = await open();
    // A mean and norms that a bias at the mean, or any normalisation, would show.
    const { data, ...shape } = randomMatrix(9, 40, 12);
    const rows = { data: data.map((value) => 5 * value + 3), ...shape };
    for (
      const own of [
        ...[{ architecture: "batchtopk", k: 2 }, { architecture: "topk", k: 2 }],
        ...[
          { architecture: "relu", sparsityCoefficient: 0.1 },
          { architecture: "jumprelu", sparsityCoefficient: 0.1 },
        ],
      ] as const
    ) {
      const options = { ...own, dictSize: 6, batchSize: 20, learningRate: 1e-6 };
      const { meta } = await trainMetaSae(gpu, rows, { ...options, steps: 1 });
      assertEquals([meta.inputNormalization, meta.inputScale], ["none", undefined]);
      // One step of Adam moves no number by more than the learning rate.
      assert(
        meta.bDec.every((value) => Math.abs(value) < 1.1e-6),
        `${own.architecture} ${meta.bDec}`,
      );
      const { training } = meta.metadata as { training: Record<string, unknown> };
      assertEquals(
        [
          training.warmupSteps,
          training.decaySteps,
          training.gradientClip,
          training.lossNormalization,
        ],
        [0, 0, 0, "none"],
      );
      // What is asked for goes before.
      const asked = { bDec: "mean", inputNormalization: "layer_norm", steps: 1 } as const;
      const other = (await trainMetaSae(gpu, rows, { ...options, ...asked })).meta;
      assertEquals(other.inputNormalization, "layer_norm");
    }
  },
);

testOnCpu(
  "dead meta-latents come back: the auxiliary loss sees them before selection",
  async (open) => {
    using gpu = await open();
    // Half of the encoder is so short that it is never among the largest.
    const shape = { architecture: "batchtopk", dModel: 12, dictSize: 16, k: 2 } as const;
    const initial = initializeSae({ ...shape, random: createRandom(4) });
    for (let at = 8 * 12; at < 16 * 12; at++) initial.wEnc[at] *= 0.2;
    const dead = async (auxCoefficient: number) => {
      const { history } = await trainMetaSae(gpu, composedSae(5, 60, 12, 24), {
        ...{ initial, k: 2, batchSize: 30, epochs: 30, learningRate: 3e-3 },
        ...{ deadAfter: 5, auxCoefficient },
      });
      return [history[9].deadLatents, history.at(-1)!.deadLatents];
    };
    const [atFirst, atLast] = await dead(1 / 16);
    assert(atFirst === 8 && atLast <= 3, `${atFirst} dead, ${atLast} at last`);
    assertEquals(await dead(0), [8, 8]);
  },
);

testOnCpu(
  "a pair that is saved and loaded gives the same decomposition, bit by bit",
  async (open) => {
    using gpu = await open();
    const folder = await Deno.makeTempDir();
    try {
      const { meta } = await trainMetaSae(gpu, SAE, OPTIONS);
      await saveSae(SAE, `${folder}/sae`);
      await saveSae(meta, `${folder}/meta`);
      const [sae, loaded] = [await loadSae(`${folder}/sae`), await loadSae(`${folder}/meta`)];
      assertEquals(loaded.metadata.explains, meta.metadata.explains);
      for (const key of ["wEnc", "bEnc", "wDec", "bDec", "threshold"] as const) {
        assertEquals(loaded[key], meta[key]);
      }
      assertEquals(await decompose(gpu, loaded, sae), await decompose(gpu, meta, SAE));
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
);

testOnCpu("a meta-SAE continues from a checkpoint with the same bits", async (open) => {
  using gpu = await open();
  const whole = await trainMetaSae(gpu, SAE, { ...OPTIONS, steps: 12 });
  let kept: Checkpoint | undefined;
  const save = (checkpoint: Checkpoint) => {
    kept ??= checkpoint;
    return Promise.resolve();
  };
  await trainMetaSae(gpu, SAE, { ...OPTIONS, steps: 8, checkpoint: { every: 5, save } });
  const startBatch = firstBatchToResume(kept!, { steps: 12 });
  const rest = { batchSize: 16, resume: kept!, startBatch, steps: 12 } as const;
  assertEquals((await trainMetaSae(gpu, SAE, rest)).meta, whole.meta);
});

testOnCpu(
  "freezeDecoder keeps the decoder's bits and trains the encoder as ever",
  async (open) => {
    using gpu = await open();
    const initial = randomSae(8, 12, 10, { k: 2, threshold: new Float32Array(10) });
    const batches = [0, 1, 2].map((seed) => randomMatrix(seed, 16, 12));
    const train = async (steps: number, freezeDecoder: boolean | "directions"): Promise<Sae> =>
      (await trainSae(gpu, batches, { architecture: "batchtopk", initial, steps, freezeDecoder }))
        .sae;
    const frozen = await train(3, true);
    assertEquals([frozen.wDec, frozen.bDec], [initial.wDec, initial.bDec]);
    const directions = await train(3, "directions");
    assertEquals(directions.wDec, initial.wDec);
    assertNotEquals(directions.bDec, initial.bDec);
    // One step of the encoder does not depend on the decoder's.
    const [one, other] = [await train(1, true), await train(1, false)];
    assertEquals([one.wEnc, one.bEnc], [other.wEnc, other.bEnc]);
    assertNotEquals(one.wEnc, initial.wEnc);
    assertNotEquals(other.wDec, initial.wDec);
    assertNotEquals(other.bDec, initial.bDec);
    assertEquals((await train(1, "directions")).bDec, other.bDec);
  },
);

async function assertFails(
  gpu: Device,
  text: string,
  sae: Sae,
  options: MetaSaeOptions,
): Promise<void> {
  const error = await assertRejects(() => trainMetaSae(gpu, sae, options), Error);
  assertEquals(error.message.slice(0, text.length), text);
  assertEquals(gpu.allocated, 0);
}

testOnCpu("trainMetaSae names what does not fit", async (open) => {
  using gpu = await open();
  const count = "expected a whole number above 0";
  await assertFails(gpu, `epochs is 0, ${count}`, SAE, { ...OPTIONS, epochs: 0 });
  await assertFails(gpu, `batchSize is 1.5, ${count}`, SAE, { ...OPTIONS, batchSize: 1.5 });
  await assertFails(gpu, "dictSize is 2304, but there are 60 rows to explain", SAE, {});
  await assertFails(gpu, "k is 20, expected a number above 0 and at most", SAE, {
    ...OPTIONS,
    k: 20,
  });
  const broken = { ...SAE, wDec: SAE.wDec.with(25, NaN) };
  await assertFails(gpu, "sae.wDec has NaN in row 2, column 1, expected", broken, OPTIONS);
  await assertFails(gpu, "sae.wDec is 60 × 12 with 5 numbers", {
    ...SAE,
    wDec: new Float32Array(5),
  }, OPTIONS);
  await assertFails(gpu, "sae.wDec holds no Float32Array", {
    ...SAE,
    wDec: [] as unknown as Float32Array,
  }, OPTIONS);
});
