import { dirname, join } from "@std/path";
import { parseCheckedJson } from "../language_model/checked_json.ts";
import { readRegularText } from "../language_model/regular_file.ts";
import type { Sae } from "../sae/sae.ts";
import { isRecord } from "./config_values.ts";
import type { LoadRequest } from "./load_request.ts";
import { publishedScale } from "./published_facts.ts";

const NAME = "activation_scaler.json";

/**
 * Gives an SAE of SAELens that normalises by "expected_average_only_in" its factor, which its config does not
 * hold: that of `activation_scaler.json` beside the weights, as checkpoints of a training have it, or the
 * published one. Where there is none the SAE stays without, and says so when it runs.
 *
 * @param onNote Hears where the factor is from.
 * @throws {Error} The file is malformed, or says that activations are whitened.
 */
export function findInputScale(
  sae: Sae,
  weights: string,
  onNote: LoadRequest["onNote"],
): void {
  if (sae.inputNormalization !== "expected_average_only_in" || sae.inputScale !== undefined) return;
  const path = join(dirname(weights), NAME);
  const found = readFactor(path);
  const published = found === undefined ? publishedScale(sae) : undefined;
  const factor = found ?? published;
  if (factor === undefined) return;
  sae.inputScale = factor;
  onNote?.(
    `the factor ${factor} of its input (expected_average_only_in) is from ` +
      (found === undefined ? "SAELens's list of published SAEs" : path) +
      `; --input-scale X (inputScale) gives another`,
    "inputScale",
  );
}

function readFactor(path: string): number | undefined {
  let text: string;
  try {
    text = readRegularText(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
  const scaler = parseCheckedJson(path, text);
  const factor = isRecord(scaler) ? scaler.scaling_factor : undefined;
  if (factor === null) return undefined;
  if (typeof factor !== "number" || !(factor > 0 && Number.isFinite(factor))) {
    throw new Error(
      `scaling_factor is ${JSON.stringify(factor)?.slice(0, 60) ?? "missing"}, expected a number ` +
        `above 0, in ${path}`,
    );
  }
  return factor;
}
