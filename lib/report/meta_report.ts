import type { StepRecord } from "../training/step_record.ts";
import { formatNumber, formatShare } from "../format_number.ts";
import { type Contexts, decompositionCard, metaLatentCard } from "./meta_cards.ts";
import { metaClaims } from "../claims/meta_claims.ts";
import { mean } from "../mean.ts";
import type { MetaFindings, TrainingQuality } from "../meta/meta_findings.ts";
import { metaPlots } from "./meta_plots.ts";
import {
  figureGrid,
  headlineNumbers,
  page,
  paragraph,
  type ReportAbout,
  section,
  settingsTable,
  table,
} from "./page.ts";
import { claimTable } from "./stitching_report.ts";
import { trainingPlots } from "./training_plots.ts";

/** What a report on a meta-SAE tells. */
export interface MetaReport extends MetaFindings, ReportAbout {
  /** The decomposed SAE. */
  sae: TrainingQuality & {
    /** Its name. */
    name: string;
    /** How it selects latents. */
    architecture: string;
    /** Number of latents. */
    dictSize: number;
    /** Width of its activations. */
    dModel: number;
    /** The language model and the hook, where they are known. */
    source?: string;
    /** Tells it from all others (`decoderDigest`). */
    decoderDigest?: string;
  };
  /** Records of the meta-SAE's training; none where it was trained before. */
  history: StepRecord[];
  /** Meta-latents to show with their latents. */
  metaLatents: number[];
  /** Latents whose decomposition is shown. */
  latents: number[];
  /** Where latents are active in texts, by their numbers; empty where no text was read. */
  contexts: Contexts;
  /** What can make numbers mean something else, in sentences. */
  warnings: string[];
}

/** Writes a report on a meta-SAE: one HTML page that needs nothing else. */
export async function metaReport(report: MetaReport): Promise<string> {
  const { sae, date, device, history, metaLatents, latents, contexts, warnings } = report;
  const { settings, decomposition: { metaLatents: { rows } } } = report;
  const facts = [
    `${sae.architecture} SAE, ${formatNumber(sae.dictSize)} latents on ` +
    `${formatNumber(sae.dModel)} dimensions`,
    ...(sae.source === undefined ? [] : [sae.source]),
    ...[`${formatNumber(rows)} meta-latents`, device, date],
  ];
  const cards = await Promise.all(latents.map((latent) => decompositionCard(latent, report)));
  return page(`${sae.name}, decomposed`, facts, [
    headline(report),
    section("Claims of section 5", claimTable(metaClaims(report), warnings)),
    section("Beside other SAEs", await figureGrid(metaPlots(report)), comparedTable(report)),
    section("Training", history.length > 0 ? await figureGrid(trainingPlots(history)) : ""),
    latents.length === 0 ? "" : section(
      "Decompositions of latents",
      paragraph(
        `${latents.length} latents, each with its meta-latents and the latents that share them ` +
          `(Fig. 1). The larger a weight, the thicker its line.` + legend(contexts),
      ),
      cards.join("\n"),
    ),
    metaLatents.length === 0 ? "" : section(
      "Meta-latents",
      paragraph(
        `${metaLatents.length} of ${rows} meta-latents, those with the largest sum of weights ` +
          `first, each with the latents in which it is strongest.` + legend(contexts),
      ),
      metaLatents.map((metaLatent) => metaLatentCard(metaLatent, report)).join("\n"),
    ),
    section("Settings", settingsTable(settings)),
  ]);
}

function headline({ decomposition, controls, sae }: MetaReport): string {
  const { explainedVariance, l0, deadMetaLatents, metaLatents } = decomposition;
  return headlineNumbers([
    ["Explained variance", formatShare(explainedVariance), `of ${sae.dictSize} decoder rows`],
    [
      "Controls",
      controls
        ? `${formatShare(controls.isotropic.explainedVariance)}, ` +
          formatShare(controls.matched.explainedVariance)
        : "–",
      controls ? "of random unit rows, of random rows with their covariance" : "not trained",
    ],
    ["L0", l0.toFixed(2), "meta-latents per latent"],
    [
      "Dead meta-latents",
      formatNumber(deadMetaLatents),
      `${formatShare(deadMetaLatents / metaLatents.rows)} of all`,
    ],
  ]);
}

function comparedTable({ compared, decomposition }: MetaReport): string {
  return table(
    "Meta-latents beside each SAE (Fig. 6), and replaced by its latents (Fig. 23); in brackets the same " +
      "with random unit rows, and with random rows of the SAE's covariance",
    ["", "Latents", "Mean cosine", "Explained", "Explained, replaced", "L0"],
    compared.map(({ name, dictSize, meanCosine, chance, replaced, replacedControls }) => [
      name,
      formatNumber(dictSize),
      `${meanCosine.toFixed(3)} (${mean(chance.isotropic).toFixed(3)}, ` +
      `${mean(chance.matched).toFixed(3)})`,
      formatShare(decomposition.explainedVariance),
      `${formatShare(replaced.explainedVariance)} (` +
      formatShare(replacedControls.isotropic.explainedVariance) +
      (replacedControls.matched
        ? `, ${formatShare(replacedControls.matched.explainedVariance)})`
        : ")"),
      replaced.l0.toFixed(2),
    ]),
  );
}

function legend(contexts: Contexts): string {
  return contexts.size === 0
    ? " No text was read, so they have numbers only."
    : " Words in quotes are the tokens at which latents peak, those of meta-latents their latents'.";
}
