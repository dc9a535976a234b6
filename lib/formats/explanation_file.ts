import { cleanAnswer } from "../interpretation/explain_latents.ts";
import type { ScoredExplanation } from "../interpretation/study_explanations.ts";
import { readRegularText } from "../language_model/regular_file.ts";
import { isWhole } from "../whole_number.ts";

/** What a latent stands for, as a page or a table shows it. */
export interface LatentLabel {
  /** The words: one line of at most 200 characters. */
  text: string;
  /** "tokens" for a statistic of tokens, or the name of the model that they are from. */
  source: string;
  /** Balanced accuracy of detection, where it was scored. */
  score?: number;
}

/** Explanations as lines of JSON: latent, text, source, detection, fuzzing, problem. */
export function explanationLines(explanations: readonly ScoredExplanation[]): string {
  return explanations.map(({ latent, text, source, detection, fuzzing, problem }) =>
    JSON.stringify({ latent, text, source, detection, fuzzing, problem }) + "\n"
  ).join("");
}

/**
 * Reads explanations by latent: a file of `saewing explain`, or of anyone: JSON objects, one a line, with `latent` and
 * `text`, and if need be `source`. Texts are cleaned as a model's answers are, and those without words left out.
 *
 * @param key What the number is called; "metaLatent" in explanations of meta-latents.
 * @throws {Error} A line is no such object, or a latent is there twice.
 */
export function readExplanations(
  path: string,
  key: "latent" | "metaLatent" = "latent",
): Map<number, LatentLabel> {
  const labels = new Map<number, LatentLabel>();
  readRegularText(path).split("\n").forEach((line, i) => {
    if (line.trim() === "") return;
    const where = `line ${i + 1} of ${path}`;
    const { [key]: latent, text, source, detection } = parseLine(line, where, key);
    if (labels.has(latent)) throw new Error(`${where} is of ${key} ${latent} again`);
    const score = detection?.balancedAccuracy;
    labels.set(latent, {
      text: cleanAnswer(text),
      source: typeof source === "string" ? cleanAnswer(source) : "unknown",
      ...(typeof score === "number" ? { score } : {}),
    });
  });
  return new Map([...labels].filter(([, { text }]) => text !== ""));
}

interface ExplanationLine {
  latent: number;
  metaLatent: number;
  text: string;
  source?: unknown;
  detection?: { balancedAccuracy?: unknown } | null;
}

function parseLine(
  line: string,
  where: string,
  key: "latent" | "metaLatent",
): ExplanationLine {
  let parsed: Partial<ExplanationLine> | null = null;
  try {
    parsed = JSON.parse(line);
  } catch {
    // Told below.
  }
  const { [key]: latent, text } = parsed ?? {};
  if (isWhole(latent) && typeof text === "string") {
    return parsed as ExplanationLine;
  }
  throw new Error(`${where} is no explanation, expected {"${key}": 3, "text": "…"}`);
}
