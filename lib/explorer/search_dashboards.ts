import type { DashboardReader } from "./dashboard_files.ts";
import type { ContextRecord, DashboardRecord } from "./dashboard_record.ts";

/** Conditions of a search, all of which must hold. Case is ignored. */
export interface DashboardQuery {
  /** A token at which the latent is active; surrounding spaces are ignored. */
  token?: string;
  /** A text that includes a token at which the latent is active. */
  text?: string;
  /** Words, all of which the label has. */
  label?: string;
}

/** A latent that was found. */
export interface FoundLatent {
  /** Its index. */
  latent: number;
  /** Share of its contexts that match; 1 for a search by label only. */
  share: number;
  /** Its label. */
  label?: DashboardRecord["label"];
  /** Share of the samples in which it is active. */
  density: number;
  /** The matching context with the largest activation; the first context for a search by label only. */
  context?: ContextRecord;
}

/** Options of {@linkcode searchDashboards}. */
export interface SearchOptions {
  /** Largest number of latents (default 20). */
  most?: number;
  /** Aborts the search, with the signal's reason. */
  signal?: AbortSignal;
}

/**
 * Searches the latents of a folder of dashboards by token, text or label. All records are read once, without
 * an index. Tokens and texts are searched in the stored contexts: those with the largest activations and
 * samples of all intervals.
 *
 * @returns Latents by descending share of contexts, then ascending density, then index.
 * @throws {RangeError} The query has no condition.
 */
export async function searchDashboards(
  reader: Pick<DashboardReader, "records">,
  query: DashboardQuery,
  { most = 20, signal }: SearchOptions = {},
): Promise<FoundLatent[]> {
  const token = query.token?.trim().toLowerCase();
  const text = query.text?.toLowerCase();
  const words = query.label?.toLowerCase().split(/\s+/).filter((word) => word !== "") ?? [];
  if (!token && !text && words.length === 0) {
    throw new RangeError("the query is empty, expected a token, a text or a label");
  }
  const found: FoundLatent[] = [];
  for await (const record of reader.records()) {
    signal?.throwIfAborted();
    const { latent, label, density } = record;
    const said = label?.text.toLowerCase() ?? "";
    if (!words.every((word) => said.includes(word))) continue;
    const contexts = contextsOf(record);
    const fits = contexts.filter((context) =>
      (!token || hasToken(context, token)) && (!text || hasText(context, text))
    );
    const anywhere = !token && !text;
    if (fits.length === 0 && !anywhere) continue;
    const share = anywhere ? 1 : fits.length / contexts.length;
    found.push({ latent, share, label, density, context: fits[0] });
  }
  return found.sort((a, b) => b.share - a.share || a.density - b.density || a.latent - b.latent)
    .slice(0, most);
}

/** A record's contexts, each position once, those with the largest activations first. */
function contextsOf({ top, intervals }: DashboardRecord): ContextRecord[] {
  const all = [...top, ...intervals.toReversed().flatMap(({ samples }) => samples)];
  return [...new Map(all.map((each) => [`${each.row}:${each.position}`, each])).values()];
}

function hasToken({ tokens, active }: ContextRecord, token: string): boolean {
  return active.some(([i]) => tokens[i].trim().toLowerCase() === token);
}

/** Whether the text occurs with a token at which the latent is active. */
function hasText({ tokens, active }: ContextRecord, text: string): boolean {
  const lower = tokens.map((token) => token.toLowerCase());
  const joined = lower.join("");
  const starts = [0];
  for (const token of lower) starts.push(starts[starts.length - 1] + token.length);
  for (let at = joined.indexOf(text); at >= 0; at = joined.indexOf(text, at + 1)) {
    if (active.some(([i]) => starts[i] < at + text.length && starts[i + 1] > at)) return true;
  }
  return false;
}
