import { architectureOf } from "../sae/architectures/registry.ts";
import { checkSae } from "../sae/check.ts";
import { type Checkpoint, saeOf } from "./checkpoint.ts";
import type { Settings } from "./options.ts";
import { defaultDecaySteps } from "./schedule.ts";

/** Settings that may differ from one part of a run to the next: they change no bit of it. */
const FREE = ["steps", "recordEvery"];

/** The settings that a checkpoint holds. */
export function plainSettings(
  { startBatch: _, ...settings }: Settings,
): Checkpoint["settings"] {
  return Object.fromEntries(
    Object.entries(settings).filter(([, value]) =>
      Number.isFinite(value) || typeof value === "string" || typeof value === "boolean" ||
      Array.isArray(value)
    ),
  ) as Checkpoint["settings"];
}

/**
 * Checks that a run with these settings can continue from a checkpoint with the same bits.
 *
 * @throws {RangeError | TypeError} Naming the option that differs, or what of the checkpoint does not
 * fit.
 */
export function checkResume(resume: Checkpoint, settings: Settings): void {
  checkSae(saeOf(resume), "resume");
  const given = plainSettings(settings);
  const free = decaysByDefault(resume.settings) ? [...FREE, "decaySteps"] : FREE;
  for (const name of new Set([...Object.keys(given), ...Object.keys(resume.settings)])) {
    if (!free.includes(name) && String(given[name]) !== String(resume.settings[name])) {
      throw new RangeError(
        `${name} is ${given[name] ?? "not given"}, but the checkpoint's run has ` +
          `${resume.settings[name] ?? "none"}: expected the same to resume`,
      );
    }
  }
  const { steps, startBatch, decaySteps } = settings;
  if (steps !== undefined && steps < resume.steps) {
    throw new RangeError(`steps is ${steps}, but the checkpoint has taken ${resume.steps}`);
  }
  if (startBatch > resume.steps) {
    throw new RangeError(
      `startBatch is ${startBatch}, but the checkpoint's next batch is number ${resume.steps}`,
    );
  }
  const needed = firstThresholdBatch(resume, settings);
  if (startBatch > needed) {
    throw new RangeError(
      `startBatch is ${startBatch}, but the inference threshold is measured on the last ` +
        `${settings.thresholdBatches} batches, the run's number ${needed} among them: expected ` +
        `${needed} or less`,
    );
  }
  // The rate falls towards the last step: once it has begun to, the last step is settled.
  const before = Number(resume.settings.steps ?? 0);
  const steady = Math.min(
    fallsAfter(before, Number(resume.settings.decaySteps)),
    fallsAfter(steps ?? 0, decaySteps),
  );
  if (steps !== before && resume.steps > steady) {
    throw new RangeError(
      `steps is ${steps}, but the checkpoint's run has ${before}, and its learning rate falls ` +
        `since step ${steady + 1}: expected the same to resume`,
    );
  }
}

/** The last step before the learning rate falls; without end where it never does. */
function fallsAfter(steps: number, decaySteps: number): number {
  return decaySteps > 0 ? steps - decaySteps : Infinity;
}

/** Whether a run's learning rate falls, over as many steps as where nothing is said of it. */
export function decaysByDefault({ steps, decaySteps }: Checkpoint["settings"]): boolean {
  return Number(decaySteps) > 0 && decaySteps === defaultDecaySteps(Number(steps ?? 0));
}

/**
 * The first batch of the stream that a run which continues from a checkpoint has to see (`startBatch`): the
 * last one taken, which tells that it is the same stream, and of a batchtopk SAE those that its inference
 * threshold is measured on, if the run ends after `steps`, or else at once.
 */
export function firstBatchToResume(
  resume: Checkpoint,
  { steps = resume.settings.steps as number | undefined }: { steps?: number } = {},
): number {
  const { architecture } = resume.sae;
  const thresholdBatches = Number(resume.settings.thresholdBatches);
  const needed = firstThresholdBatch(resume, { architecture, steps, thresholdBatches });
  return Math.max(0, Math.min(resume.steps - 1, needed));
}

function firstThresholdBatch(
  resume: Checkpoint,
  { architecture, steps, thresholdBatches }: Pick<
    Settings,
    "architecture" | "steps" | "thresholdBatches"
  >,
): number {
  if (architectureOf(architecture).threshold !== "measured") return resume.steps;
  // What has ended is not measured again.
  if (steps === resume.steps && resume.inferenceThreshold !== undefined) return resume.steps;
  return Math.min(resume.steps, Math.max(0, (steps ?? resume.steps) - thresholdBatches));
}
