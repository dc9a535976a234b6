import type { Device } from "../device/device.ts";
import { type Batches, openStream } from "../batches.ts";
import { architectureOf } from "../sae/architectures/registry.ts";
import type { Sae } from "../sae/sae.ts";
import { completeOptions } from "./complete_options.ts";
import type { StepRecord } from "./step_record.ts";
import type { TrainOptions } from "./options.ts";
import { createRecentBatches } from "./recent_batches.ts";
import { createTrainer, type Trainer } from "./trainer.ts";

/**
 * Trains an SAE on a stream of activations. x are the samples after `inputNormalization`: losses are those
 * of the normalised samples; what runs the trained SAE undoes it.
 *
 * With z = ReLU((x − b_dec) · W_encᵀ + b_enc), x̂ = f · W_dec + b_dec and e = x − x̂, the loss of a batch
 * x of [n, d] is mean(e²) over n·d numbers plus
 * - batchtopk, f the n·k largest pre-activations z (Eq. 7), and topk, f the k largest of each sample (Eq. 9):
 *   α · mean((ê − e)²), ê the decoding of the `auxK` largest dead latents of each sample (A.2), e being a
 *   constant there;
 * - matryoshka_batchtopk: as batchtopk, but e² is the mean over the `prefixes` p of the dictionary of e_p²,
 *   the error that the latents of prefix p alone leave; the auxiliary loss is that of the whole;
 * - relu, f = z: λ · mean over samples of Σ f;
 * - jumprelu, f = z where z > θ: λ · mean over samples of the number of active latents. θ = exp(log θ) is
 *   trained a latent: with r = 1 where |z − θ| < ε/2 its gradient is −(1/ε) · Σ r · (θ · ∂mean(e²)/∂f + λ/n)
 *   over the samples, and θ times that for log θ.
 *
 * λ is `sparsityCoefficient`, which `sparsityWarmupSteps` lets rise, or is steered until `targetL0` latents
 * are active per sample; `gradientClip` bounds the gradients.
 * Adam updates everything; decoder rows keep norm 1 and lose their gradient's parallel part. A
 * batchtopk SAE carries the inference threshold of Eq. 8, a jumprelu SAE its θ.
 *
 * relu and jumprelu need GPU memory for n·m activations, 28 bytes each (8 more, and 8 for each of the m·d
 * weights of a matrix, while they go by dense products, where there is as much); the largest buffer, 8 bytes
 * each, must fit into one binding of the device.
 *
 * The same seed and batches on the same adapter give the same bits.
 *
 * @param device The open device.
 * @param batches Activations, [n, d] each, each a step; read once. A last batch of another size is fine.
 * @param options What to train; `architecture` and, without `initial`, `dictSize` and `k` are needed.
 * @returns The SAE, and one record per step. Its metadata has the settings and, from 20 steps on,
 * `lossChange`: how much the reconstruction loss still moved at the end, −0.05 for a fall by 5 % from
 * the second-to-last tenth of the steps to the last; and, where something went wrong, `warnings`, those of
 * {@linkcode trainingWarnings}.
 * @throws {RangeError | TypeError} An option or a batch does not fit: before any work on it starts.
 * @throws {NonFiniteError} A batch, a loss or a trained weight was not finite.
 * @throws The signal's reason, where it was aborted before the first step.
 * @throws {DeviceLostError} The GPU's device is gone: open another and resume.
 * @throws {DeviceError} The GPU has not enough memory, or failed.
 *
 * @example Checkpoints, and a script that continues where it was stopped
 * ```ts ignore
 * const folder = "runs/long/checkpoint";
 * const { sae } = await trainSae(device, batches, {
 *   architecture: "batchtopk",
 *   dictSize: 24576,
 *   k: 32,
 *   checkpoint: { every: 500, save: (checkpoint) => saveCheckpoint(checkpoint, folder) },
 *   resume: await loadCheckpoint(folder),
 * });
 * ```
 */
export async function trainSae(
  device: Device,
  batches: Batches,
  options: TrainOptions,
): Promise<{ sae: Sae; history: StepRecord[] }> {
  return (await trainSaes(device, batches, [options]))[0];
}

/**
 * Trains several SAEs on one stream of activations: other sizes, k, architectures or seeds. Each ends
 * with the same bits as if `trainSae` had trained it alone, and each stops after its own `steps`.
 *
 * @param device The open device; it holds all of the SAEs at once.
 * @param batches The batches, each a step of every SAE that is not done.
 * @param options What to train, one element an SAE.
 * @returns The SAEs and their records, in the order of the options.
 * @throws As `trainSae` does; one that fails ends all.
 */
export async function trainSaes(
  device: Device,
  batches: Batches,
  options: readonly TrainOptions[],
): Promise<{ sae: Sae; history: StepRecord[] }[]> {
  const settings = options.map((each) => completeOptions(each));
  const recent = createRecentBatches(
    Math.max(
      ...settings.map(({ architecture, thresholdBatches }) =>
        architectureOf(architecture).threshold === "measured" ? thresholdBatches : 0
      ),
    ),
  );
  const trainers: Trainer[] = settings.map((each) => createTrainer(device, each, recent));
  const ready = () => trainers.every((trainer) => trainer.ready());
  const trained = new Map<Trainer, { sae: Sae; history: StepRecord[] }>();
  const finish = async (which: Trainer[]) => {
    for (const trainer of which) {
      if (!trained.has(trainer)) trained.set(trainer, await trainer.finish());
    }
  };
  try {
    // A run that is resumed may have nothing left to do.
    for await (const batch of ready() ? [] : openStream(batches)) {
      // Who takes the batch is settled before it is taken: a signal that comes between two SAEs lets all
      // of them end after the same step.
      const waiting = trainers.filter((each) => !each.ready());
      const learning = new Set(waiting.filter((each) => !each.done()));
      recent.add(batch);
      for (const trainer of waiting) {
        if (learning.has(trainer)) await trainer.step(batch);
        else trainer.look(batch);
      }
      // Thresholds are measured before other batches take the place of theirs.
      await finish(waiting.filter((each) => each.ready()));
      if (ready()) break;
    }
    await finish(trainers);
    return trainers.map((trainer) => trained.get(trainer)!);
  } finally {
    for (const trainer of trainers) trainer[Symbol.dispose]();
  }
}
