import type { LatentGroup } from "./latent_groups.ts";

/**
 * Checks that groups hold latents that the SAEs have, and none of them twice.
 *
 * @throws {RangeError} Naming the group and the latent.
 */
export function checkGroups(
  groups: readonly LatentGroup[],
  small: { dictSize: number },
  large: { dictSize: number },
): void {
  for (const [side, { dictSize }] of [["small", small], ["large", large]] as const) {
    const groupOf = new Map<number, number>();
    for (const [index, group] of groups.entries()) {
      for (const latent of group[side]) {
        if (!(Number.isInteger(latent) && latent >= 0 && latent < dictSize)) {
          throw new RangeError(
            `groups[${index}].${side} holds latent ${latent}, the ${side} SAE has ${dictSize}`,
          );
        }
        const other = groupOf.get(latent);
        if (other !== undefined) {
          throw new RangeError(
            `latent ${latent} of the ${side} SAE is in groups[${other}] and in groups[${index}], ` +
              `expected each latent in one group at most`,
          );
        }
        groupOf.set(latent, index);
      }
    }
  }
}
