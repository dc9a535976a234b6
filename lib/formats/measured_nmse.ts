import { dirname, join } from "@std/path";
import { readRegularText } from "../language_model/regular_file.ts";

/**
 * The NMSE that `saewing train` and `sweep` measured of an SAE, from evaluation.json beside its folder;
 * undefined where there is none.
 *
 * @param folder Where the SAE was loaded from.
 */
export function measuredNmse(folder: string): number | undefined {
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
