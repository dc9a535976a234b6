// How much of what a test could try is tried: by default a few cases drawn at random, in tests/heavy/full_*.ts all of them.
import { createRandom, type Random, randomOrder } from "../lib/random.ts";

/**
 * What the tests of this worker are run with. tests/heavy sets it before it imports a file of tests; the variables
 * are for one file run by hand.
 */
export const asked = {
  /** Whether all cases are tried (SAEWING_DEPTH=full). */
  full: Deno.env.get("SAEWING_DEPTH") === "full",
  /** The device of what lies above the operations (SAEWING_DEVICE=software or gpu; default: the CPU). */
  device: Deno.env.get("SAEWING_DEVICE"),
};

let drawing: { seed: number; random: Random } | undefined;

/** What draws cases. SAEWING_SEED is its seed, else one that is printed when the first is drawn. */
function draw(): Random {
  if (!drawing) {
    const given = Deno.env.get("SAEWING_SEED");
    const seed = given === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(given);
    console.log(`cases drawn with SAEWING_SEED=${seed} (all of them: SAEWING_DEPTH=full)`);
    drawing = { seed, random: createRandom(seed) };
  }
  return drawing.random;
}

/** A seed for what a test draws itself. */
export function drawSeed(): number {
  return draw().below(2 ** 31);
}

/** How many cases of endlessly many: `few`, or `many` where all are asked for. */
export function howMany(few: number, many: number): number {
  return asked.full ? many : few;
}

/** `few` of a list's items, drawn at random and in the list's order, or all where they are asked for. */
export function someOf<const T>(items: readonly T[], few: number): T[] {
  if (asked.full || few >= items.length) return [...items];
  const chosen = randomOrder(draw(), items.length).slice(0, few).sort();
  return Array.from(chosen, (at) => items[at]);
}

type Lists = Record<string, readonly unknown[]>;
type Combination<L extends Lists> = { [Key in keyof L]: L[Key][number] };

function product<L extends Lists>(lists: L): Combination<L>[] {
  let all: Record<string, unknown>[] = [{}];
  for (const [key, values] of Object.entries(lists)) {
    all = all.flatMap((one) => values.map((value) => ({ ...one, [key]: value })));
  }
  return all as Combination<L>[];
}

/**
 * Combinations of one value of each list: all that are allowed where all are asked for, else about as many as the
 * longest list is long, drawn so that each value is in at least one.
 */
export function combinations<const L extends Lists>(
  lists: L,
  allowed: (combination: Combination<L>) => boolean = () => true,
): Combination<L>[] {
  const all = product(lists).filter(allowed);
  if (asked.full) return all;
  const keys = Object.keys(lists);
  const seen = Object.fromEntries(keys.map((key) => [key, new Set()]));
  const news = (one: Combination<L>) => keys.filter((key) => !seen[key].has(one[key])).length;
  const order = Array.from(randomOrder(draw(), all.length), (place) => all[place]);
  const chosen: Combination<L>[] = [];
  for (;;) {
    const next = order.reduce((best, one) => news(one) > news(best) ? one : best, order[0]);
    if (!next || news(next) === 0) return chosen;
    chosen.push(next);
    for (const key of keys) seen[key].add(next[key]);
  }
}

/** {@linkcode combinations} on a GPU; on the CPU, where a case takes a tenth of the time, all of them. */
export function combinationsOn<const L extends Lists>(
  { kind }: { readonly kind: "gpu" | "cpu" },
  lists: L,
): Combination<L>[] {
  return kind === "cpu" ? product(lists) : combinations(lists);
}
