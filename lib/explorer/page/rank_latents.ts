import type { ContextRecord } from "../dashboard_record.ts";
import type { ShownLatents, ShownText } from "./training.ts";

/** Orders of latents: by how much their strongest tokens are one token, by activation, by density. */
export type LatentOrder = "clear" | "strong" | "frequent";

/** A latent in a text. */
export interface RankedLatent {
  /** Its number. */
  latent: number;
  /** Its largest activation. */
  max: number;
  /** Tokens at which it is active. */
  actives: number;
  /** The commonest token of its strongest positions, and how many of them, at most `PEAKS`, have it. */
  token: string;
  /** How many of the strongest positions have it. */
  same: number;
  /** How many strongest positions there are. */
  peaks: number;
  /** Its strongest positions: indices of tokens, the strongest first. */
  positions: number[];
}

/** Strongest positions that are looked at. */
const PEAKS = 8;

/** The latents that are active in a text, in an order. Ties go to the stronger, then to the lower number. */
export function rankLatents(
  { rowOffsets, latents, values }: Pick<ShownLatents, "rowOffsets" | "latents" | "values">,
  tokens: readonly string[],
  order: LatentOrder,
): RankedLatent[] {
  const found = new Map<number, { position: number; value: number }[]>();
  for (let t = 0; t < tokens.length; t++) {
    for (let i = rowOffsets[t]; i < rowOffsets[t + 1]; i++) {
      const list = found.get(latents[i]) ?? [];
      list.push({ position: t, value: values[i] });
      found.set(latents[i], list);
    }
  }
  const ranked = Array.from(found, ([latent, all]): RankedLatent => {
    all.sort((a, b) => b.value - a.value || a.position - b.position);
    const positions = all.slice(0, PEAKS).map(({ position }) => position);
    const counts = new Map<string, number>();
    for (const at of positions) {
      const word = tokens[at].trim().toLowerCase();
      counts.set(word, (counts.get(word) ?? 0) + 1);
    }
    const same = Math.max(...counts.values());
    const token = tokens[
      positions.find((at) => counts.get(tokens[at].trim().toLowerCase()) === same)!
    ];
    const actives = all.length;
    return { latent, max: all[0].value, actives, token, same, peaks: positions.length, positions };
  });
  // Of a latent that was active once nothing can be said.
  const by: Record<LatentOrder, (one: RankedLatent) => number> = {
    clear: ({ same, peaks }) => same / Math.max(peaks, PEAKS / 2),
    strong: ({ max }) => max,
    frequent: ({ actives }) => actives,
  };
  return ranked.sort((a, b) => by[order](b) - by[order](a) || b.max - a.max || a.latent - b.latent);
}

/** Tokens before and after a position that are shown. */
const [BEFORE, AFTER] = [8, 4];

/** The context of a position in a text of rows, with a latent's activations. */
export function contextAt(
  position: number,
  latent: number,
  { rowOffsets, latents, values }: Pick<ShownLatents, "rowOffsets" | "latents" | "values">,
  { tokens, rowLength }: ShownText,
): ContextRecord {
  const row = Math.floor(position / rowLength);
  const from = Math.max(row * rowLength, position - BEFORE);
  const to = Math.min((row + 1) * rowLength, tokens.length, position + AFTER + 1);
  const active: [number, number][] = [];
  for (let t = from; t < to; t++) {
    for (let i = rowOffsets[t]; i < rowOffsets[t + 1]; i++) {
      if (latents[i] === latent) active.push([t - from, values[i]]);
    }
  }
  // Positions count from BOS.
  const at = { row, position: position - row * rowLength + 1, peak: position - from };
  return { ...at, tokens: tokens.slice(from, to), active };
}
