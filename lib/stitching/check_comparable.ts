import type { Sae } from "../sae/sae.ts";
import { checkStitchable } from "./stitch.ts";

/**
 * Checks that two SAEs reconstruct the same activations, whichever is larger.
 *
 * @returns Warnings: differences that do not prevent a comparison but can change its meaning.
 * @throws {Error} They reconstruct different activations; the message names both.
 */
export function checkComparable(other: Sae, otherName: string, sae: Sae, name: string): string[] {
  try {
    const [small, large] = other.dictSize > sae.dictSize ? [sae, other] : [other, sae];
    return checkStitchable(small, large)
      .map((warning) => `${otherName} compared with ${name}: ${warning}`);
  } catch (error) {
    throw new Error(
      `${otherName} cannot be compared with ${name}: ${why(other, sae, name, error)}`,
      {
        cause: error,
      },
    );
  }
}

/** The reason, worded independently of which SAE is larger. */
function why(other: Sae, sae: Sae, name: string, error: unknown): string {
  try {
    checkStitchable(sae, other);
  } catch (reversed) {
    return (reversed as Error).message.replaceAll("large.", "its ")
      .replaceAll("as the small SAE has", `as ${name} has`);
  }
  return (error as Error).message;
}
