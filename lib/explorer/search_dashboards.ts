import type { DashboardReader } from "./dashboard_files.ts";
import type { ContextRecord, DashboardRecord } from "./dashboard_record.ts";

/** What is looked for; of several conditions all have to hold. Upper and lower case are the same. */
export interface DashboardQuery {
  /** A token that the latent is active on; spaces around it do not matter. */
  token?: string;
  /** A stretch of text that reaches into where the latent is active. */
  text?: string;
  /** Words that the label has, each of them. */
  label?: string;
}

/** A latent that was found. */
export interface FoundLatent {
  /** Its number. */
  latent: number;
  /** Share of its contexts that have what is looked for; 1 for a search by label alone. */
  share: number;
  /** Its label. */
  label?: DashboardRecord["label"];
  /** Share of the samples in which it is active. */
  density: number;
  /** The context with the largest activation that has it; the first of all for a search by label alone. */
  context?: ContextRecord;
}

/** Options of {@linkcode searchDashboards}. */
export interface SearchOptions {
  /** Most latents that are given (default 20). */
  most?: number;
  /** Stops the search, with the signal's reason. */
  signal?: AbortSignal;
}

/**
 * Searches a folder of dashboards: latents by token, by text, by label. All records are read once; there is no
 * index. Tokens and texts are looked for in the stored contexts: those with the largest activations and samples of
 * all intervals.
 *
 * @returns Latents with the largest share of contexts first; of equal ones, the rarer latent, then the lower number.
 * @throws {RangeError} Nothing is looked for.
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
    throw new RangeError("nothing is looked for: expected a token, a text or a label");
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

/** A record's contexts, each place once, those with the largest activations first. */
function contextsOf({ top, intervals }: DashboardRecord): ContextRecord[] {
  const all = [...top, ...intervals.toReversed().flatMap(({ samples }) => samples)];
  return [...new Map(all.map((each) => [`${each.row}:${each.position}`, each])).values()];
}

function hasToken({ tokens, active }: ContextRecord, token: string): boolean {
  return active.some(([i]) => tokens[i].trim().toLowerCase() === token);
}

/** Whether some place of the text has a token in it on which the latent is active. */
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
