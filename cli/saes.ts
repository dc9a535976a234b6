import { dirname, join, resolve } from "@std/path";
import { readRegularText } from "../lib/language_model/regular_file.ts";
import { checkStitchable } from "../lib/stitching/mod.ts";
import type { Sae, TrainOptions } from "../mod.ts";
import type { SaeCollection } from "../lib/formats/mod.ts";
import type { TrainingQuality } from "../lib/report/mod.ts";
import { findNamedModel } from "./open.ts";
import type { Arguments, GivenOptions } from "./options.ts";

/**
 * Short names for SAEs: "runs/m768/sae" → "m768". Where several end alike, as many parts as tell a
 * path from the others: "gpt2/final", "llama/final" → "gpt2-final", "llama-final". What is given twice
 * is numbered by its place.
 */
export function nameSaes(folders: readonly string[]): string[] {
  const paths = folders.map((folder) => {
    const parts = resolve(folder).split(/[\\/]/).filter((part) => part !== "");
    return parts.length > 1 && parts.at(-1) === "sae" ? parts.slice(0, -1) : parts;
  });
  const end = (path: string[], depth: number) => path.slice(-depth).join("-");
  const names = paths.map((own) => {
    const others = paths.filter((path) => end(path, path.length) !== end(own, own.length));
    let depth = 1;
    while (depth < own.length && others.some((path) => end(path, depth) === end(own, depth))) {
      depth++;
    }
    return end(own, depth);
  });
  return names.map((name, i) => names.indexOf(name) === i ? name : `${name} (${i + 1})`);
}

/**
 * Model, hook and context as an SAE's config names them, or the collection that it is from: options
 * that hold where the arguments do not give them. None with a store, which says them itself.
 *
 * @param folder The SAE's: a model's path may be relative to it.
 */
export function saeSource(
  given: Arguments,
  { metadata }: Sae,
  folder: string,
  collection?: SaeCollection,
): GivenOptions {
  if (given.text("activations") !== undefined) return {};
  const { contextSize } = metadata;
  const { model = metadata.model, hook = metadata.hook } = collection ?? {};
  return {
    ...(typeof model === "string" ? { model: [findNamedModel(model, folder)] } : {}),
    ...(typeof hook === "string" ? { hook: [hook] } : {}),
    ...(typeof contextSize === "number" ? { context: [String(contextSize)] } : {}),
  };
}

/** Says what to mind; an SAE of other activations is refused. */
export function checkComparable(other: Sae, otherName: string, sae: Sae, name: string): string[] {
  try {
    const [small, large] = other.dictSize > sae.dictSize ? [sae, other] : [other, sae];
    return checkStitchable(small, large)
      .map((warning) => `${otherName} beside ${name}: ${warning}`);
  } catch (error) {
    throw new Error(
      `${otherName} cannot be compared with ${name}: ${why(other, sae, name, error)}`,
      {
        cause: error,
      },
    );
  }
}

/** The reason in words that hold whichever of the two is larger. */
function why(other: Sae, sae: Sae, name: string, error: unknown): string {
  try {
    checkStitchable(sae, other);
  } catch (reversed) {
    return (reversed as Error).message.replaceAll("large.", "its ")
      .replaceAll("as the small SAE has", `as ${name} has`);
  }
  return (error as Error).message;
}

/** The seed that an SAE was trained with, where it says so. */
export function seedOf({ metadata }: Sae): number | undefined {
  return (metadata.training as Partial<TrainOptions> | undefined)?.seed;
}

/** How far the loss of an SAE still moved when its training ended, where it says so. */
export function lossChangeOf({ metadata: { lossChange } }: Sae): number | undefined {
  return typeof lossChange === "number" ? lossChange : undefined;
}

/**
 * What is known of how well an SAE was trained: what it says itself, and the NMSE that `train` and
 * `sweep` measured, in evaluation.json beside its folder.
 *
 * @param folder Where it was loaded from.
 */
export function trainingQuality(folder: string, sae: Sae): TrainingQuality {
  return { seed: seedOf(sae), lossChange: lossChangeOf(sae), nmse: measuredNmse(folder) };
}

function measuredNmse(folder: string): number | undefined {
  try {
    const { nmse } = JSON.parse(
      readRegularText(join(dirname(folder), "evaluation.json")),
    ) as { nmse?: unknown };
    return typeof nmse === "number" ? nmse : undefined;
  } catch {
    // Most SAEs have none, those of the hub no folder either.
    return undefined;
  }
}
