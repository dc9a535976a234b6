import type { Random } from "../random.ts";

/** The next number of the normal distribution (Box and Muller's way). */
export function normal(random: Random): number {
  const radius = Math.sqrt(-2 * Math.log(1 - random.uniform()));
  return radius * Math.cos(2 * Math.PI * random.uniform());
}
