import { assert, assertEquals } from "@std/assert";

import { trainSae } from "../../lib/training/train_sae.ts";
import {
  GPU_STEPS,
  openGpu,
  randomSae,
  relativeDistance,
  SMALL,
  testOnCpu,
  testOnDevices,
} from "../gpu_helper.ts";
import { someOf } from "../depth.ts";
import { compareRun, WEIGHTS } from "./compare_run.ts";
import { makeBatches } from "./made_batches.ts";

const report = (name: string, distances: string[]) => {
  if (Deno.env.get("SAEWING_TEST_REPORT")) console.log(`${name}: ${distances.join(", ")}`);
};

testOnDevices("training agrees with the oracle: plain", async (open, steps) => {
  const { distances, history } = await compareRun(open, makeBatches(24, 20, { steps }), {
    k: 3,
    dictSize: 65,
    auxCoefficient: 0,
  });
  assert(history.at(-1)!.loss < 0.9 * history[0].loss);
  report("plain", distances);
});

testOnDevices(
  "training agrees with the oracle: auxiliary loss, more dead latents than auxK",
  async (open, steps) => {
    const { distances, history } = await compareRun(open, makeBatches(9, 21, { steps }), {
      k: 2,
      dictSize: 130,
      auxK: 5,
      auxCoefficient: 0.5,
      deadAfter: 2,
    });
    assert(history.some(({ deadLatents }) => deadLatents > 5));
    report("auxiliary", distances);
  },
);

testOnCpu(
  "training agrees with the oracle: auxK above the number of dead latents",
  async (open) => {
    const { distances, history } = await compareRun(open, makeBatches(24, 20), {
      k: 4,
      dictSize: 65,
      deadAfter: 3,
    });
    assert(history.some(({ deadLatents }) => deadLatents > 0 && deadLatents < 65));
    report("auxK above", distances);
  },
);

testOnCpu("training agrees with the oracle: an encoder that reads x itself", async (open) => {
  const { distances } = await compareRun(open, makeBatches(16, 20), {
    k: 3,
    dictSize: 65,
    deadAfter: 2,
    subtractDecoderBias: false,
  });
  report("reads x", distances);
});

testOnDevices("training agrees with the oracle: small device limits", async (open, steps) => {
  const options = { k: 3, dictSize: 500, auxK: 4, auxCoefficient: 0.5, deadAfter: 2 };
  const batches = makeBatches(24, 20, { steps });
  const { distances, sae } = await compareRun(open, batches, options, SMALL);
  report("small limits", distances);
  if (steps < 20) return;
  // Splitting changes no order of sums but the decoder bias's: nearly the same bits.
  const whole = await compareRun(open, batches, options);
  for (const name of WEIGHTS) assert(relativeDistance(sae[name], whole.sae[name]) < 1e-4);
});

Deno.test("training agrees with the oracle: the kernels of either kind of adapter", async () => {
  const options = { k: 3, dictSize: 130, auxK: 4, auxCoefficient: 0.5, deadAfter: 2 };
  for (const kind of someOf(["hardware", "software"], 1)) {
    const { distances } = await compareRun(
      openGpu,
      makeBatches(24, 20, { steps: GPU_STEPS }),
      options,
      {},
      kind,
    );
    report(kind, distances);
  }
});

testOnCpu(
  "training agrees with the oracle: from an SAE, with a smaller last batch",
  async (open) => {
    const initial = randomSae(3, 20, 65, { k: 3, threshold: new Float32Array(65).fill(0.5) });
    const copy = structuredClone(initial);
    const { distances, sae } = await compareRun(open, makeBatches(24, 20, { lastRows: 5 }), {
      k: 3,
      dictSize: 65,
      deadAfter: 2,
      initial,
    });
    report("smaller last batch", distances);
    assertEquals(initial, copy);
    for (const name of [...WEIGHTS, "threshold"] as const) assert(sae[name] !== initial[name]);
  },
);

testOnCpu(
  "training agrees with the oracle: a frozen decoder, and one of frozen directions",
  async (open) => {
    // Rows of any norm: what is frozen is not brought to norm 1 either.
    const initial = randomSae(3, 20, 65, { k: 3, threshold: new Float32Array(65) });
    const options = { k: 3, dictSize: 65, auxK: 5, auxCoefficient: 0.5, deadAfter: 2, initial };
    for (const freezeDecoder of [true, "directions"] as const) {
      const { distances } = await compareRun(open, makeBatches(24, 20), {
        ...options,
        freezeDecoder,
      });
      report(`freezeDecoder ${freezeDecoder}`, distances);
    }
  },
);

testOnCpu("training agrees with the oracle: fewer positive numbers than n·k", async (open) => {
  const bEnc = new Float32Array(65).fill(-3);
  const initial = randomSae(3, 20, 65, { k: 40, bEnc });
  const { distances, history } = await compareRun(open, makeBatches(24, 20), {
    k: 40,
    dictSize: 65,
    deadAfter: 2,
    initial,
  });
  assert(history.every(({ l0 }) => l0 > 0 && l0 < 40));
  report("few positive", distances);
});

testOnCpu("where nothing is active the decoder bias learns alone", async (open) => {
  using gpu = await open();
  const initial = randomSae(3, 20, 65, { k: 4, bEnc: new Float32Array(65).fill(-1000) });
  const { sae, history } = await trainSae(gpu, makeBatches(24, 20), {
    architecture: "batchtopk",
    learningRate: 0.01,
    initial,
  });
  for (const { step, l0, smallestKept, deadLatents } of history) {
    assertEquals([l0, smallestKept, deadLatents], [0, 0, step < 5 ? 0 : 65]);
  }
  assert(history[19].reconstructionLoss < history[0].reconstructionLoss);
  assertEquals(sae.wEnc, initial.wEnc);
  assertEquals(sae.bEnc, initial.bEnc);
  assertEquals(sae.threshold, new Float32Array(65));
});

testOnCpu("one latent, one sample, one dimension", async (open) => {
  using gpu = await open();
  const batches = Array.from({ length: 3 }, (_, i) => ({
    data: Float32Array.of(1 + i),
    rows: 1,
    cols: 1,
  }));
  const { sae, history } = await trainSae(gpu, batches, {
    architecture: "batchtopk",
    dictSize: 1,
    k: 1,
    seed: 3,
  });
  assertEquals(history.length, 3);
  assertEquals(Math.abs(sae.wDec[0]), 1);
});

testOnDevices("the same seed gives the same bits, another seed others", async (open, steps) => {
  const batches = makeBatches(33, 20, { steps });
  const train = async (seed: number) => {
    using gpu = await open();
    return await trainSae(gpu, batches, {
      architecture: "batchtopk",
      dictSize: 130,
      k: 4,
      auxK: 6,
      deadAfter: 2,
      seed,
    });
  };
  const [first, again, other] = [await train(1), await train(1), await train(2)];
  assertEquals(again, first);
  for (const name of ["wEnc", "wDec"] as const) assert(other.sae[name][0] !== first.sae[name][0]);
  assert(other.history.at(-1)!.loss !== first.history.at(-1)!.loss);
});

testOnDevices("training agrees with the oracle: topk, with dead latents", async (open, steps) => {
  const { distances, history } = await compareRun(open, makeBatches(24, 20, { steps }), {
    architecture: "topk",
    k: 2,
    dictSize: 130,
    auxK: 7,
    auxCoefficient: 0.25,
    deadAfter: 2,
  });
  assert(history.every(({ l0 }) => l0 <= 2));
  assert(history.some(({ deadLatents }) => deadLatents > 7));
  report("topk", distances);
});

testOnDevices(
  "training agrees with the oracle: errors over the distance from the mean, dead latents",
  async (open, steps) => {
    const { distances, history } = await compareRun(open, makeBatches(24, 20, { steps }), {
      k: 3,
      dictSize: 130,
      auxK: 4,
      auxCoefficient: 0.5,
      deadAfter: 2,
      lossNormalization: "input_deviation",
    });
    assert(history.some(({ auxiliaryLoss }) => auxiliaryLoss > 0));
    report("input deviation", distances);
  },
);

testOnCpu(
  "training agrees with the oracle: learning rate that rises and falls",
  async (open) => {
    const rates = Array.from(
      { length: 20 },
      (_, at) => 3e-3 * Math.min(1, (at + 1) / 8) * Math.min(1, (20 - at) / 5),
    );
    const schedule = { warmupSteps: 8, decaySteps: 5, steps: 20 };
    const options = { k: 3, dictSize: 65, auxCoefficient: 0, ...schedule };
    report(
      "schedule",
      (await compareRun(open, makeBatches(24, 20), options, {}, undefined, rates)).distances,
    );
  },
);

testOnCpu(
  "training agrees with the oracle: input normalised, with dead latents",
  async (open) => {
    const run = { k: 2, dictSize: 130, auxK: 7, auxCoefficient: 0.25, deadAfter: 2 };
    for (const inputNormalization of ["layer_norm", "constant_norm_rescale"] as const) {
      const normalized = { ...run, inputNormalization, bDec: "zero" } as const;
      report(
        inputNormalization,
        (await compareRun(open, makeBatches(24, 20, { lastRows: 5 }), normalized)).distances,
      );
    }
    const inputNormalization = "expected_average_only_in";
    const average = { ...run, architecture: "topk", inputNormalization } as const;
    report(
      "estimated norm",
      (await compareRun(open, makeBatches(24, 20), average, SMALL)).distances,
    );
    const given = await compareRun(open, makeBatches(9, 20), { ...average, inputScale: 0.3 });
    assertEquals(given.sae.inputScale, 0.3);
  },
);

testOnDevices(
  "training agrees with the oracle: gradients clipped, always, at times and never",
  async (open, steps) => {
    // Adam forgets how long gradients are, unless its ε is as large as they are.
    const adam = { epsilon: 0.03, learningRate: 0.1 };
    const run = { k: 3, dictSize: 130, auxK: 4, auxCoefficient: 0.5, deadAfter: 2, ...adam };
    const batches = makeBatches(24, 20, { steps });
    const rates = Array(steps).fill(0.1);
    const clips = [[0.1, steps, steps], [0.5, steps / 5, steps * 4 / 5], [1e3, 0, 0]];
    for (const [gradientClip, least, most] of steps < 20 ? someOf(clips, 1) : clips) {
      const gpuOptions = gradientClip === 0.5 ? SMALL : {};
      const options = { ...run, gradientClip };
      const { history, ...trained } = await compareRun(
        open,
        batches,
        options,
        gpuOptions,
        undefined,
        rates,
      );
      const clipped = history.filter((record) => record.gradientNorm! > gradientClip).length;
      report(`clip ${gradientClip}, ${clipped} of ${steps} steps`, trained.distances);
      assert(clipped >= least && clipped <= most, `${clipped} clipped at ${gradientClip}`);
      using gpu = await open(gpuOptions);
      const plain = await trainSae(gpu, batches, {
        ...{ architecture: "batchtopk", seed: 5, inputNormalization: "none", bDec: "zero" },
        ...run,
      });
      for (const name of WEIGHTS) {
        const distance = relativeDistance(trained.sae[name], plain.sae[name]);
        // A factor of 1 changes no bit.
        assert(clipped > 0 ? distance > 1e-3 : distance === 0, `${name}: ${distance}`);
      }
    }
  },
);
