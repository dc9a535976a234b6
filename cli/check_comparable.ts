import { checkStitchable, type Sae } from "../mod.ts";

/** Says what to mind; an SAE of other activations is refused. */
export function checkComparable(other: Sae, otherName: string, sae: Sae, name: string): string[] {
  try {
    const [small, large] = other.dictSize > sae.dictSize ? [sae, other] : [other, sae];
    return checkStitchable(small, large)
      .map((warning) => `${otherName} beside ${name}: ${warning}`);
  } catch (error) {
    throw new Error(`${otherName} cannot be compared with ${name}: ${(error as Error).message}`, {
      cause: error,
    });
  }
}
