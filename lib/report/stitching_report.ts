import type { DecoderBiasAgreement, DecoderOverlap } from "../stitching/decoder_cosine.ts";
import type { Claim } from "./claim.ts";
import type { Figure } from "./figure.ts";
import { formatNumber } from "./format_number.ts";
import { pathPlots } from "./path_plots.ts";
import { figureGrid, pageHead, paragraph, reportPage, section } from "./report_page.ts";
import { settingsTable } from "./settings_table.ts";
import { stitchingClaims } from "./stitching_claims.ts";
import {
  cosinePlot,
  effectsPlot,
  missingPlot,
  overlapPlot,
  pairTitle,
  randomPlot,
  rocPlot,
  shrinkagePlot,
  similarityPlot,
  type StudiedPair,
  swapsPlot,
} from "./stitching_plots.ts";
import { table } from "./table.ts";
import { commonReason, withoutCommonReason } from "./verdict.ts";

/** One of the SAEs that were stitched. */
export interface StitchedSaeRow {
  /** Its name. */
  name: string;
  /** How it selects latents. */
  architecture: string;
  /** Number of latents m. */
  dictSize: number;
  /** Mean number of active latents per sample. */
  l0: number;
  /** Mean over samples of Σ_d (x − x̂)². */
  mse: number;
  /** Σ‖x − x̂‖² / Σ‖x − x̄‖². */
  nmse: number;
  /** Latents that are active in no sample. */
  deadLatents: number;
}

/** Examples of groups (A.5) with names of their latents. */
export interface NamedGroups {
  /** Which pair of SAEs, as its title. */
  pair: string;
  /** Groups, a line each. */
  lines: { kind: string; group: string }[];
}

/** What a report on stitching tells. */
export interface StitchingReport {
  /** When it ran, as the reader should see it. */
  date: string;
  /** Name of the GPU that it ran on. */
  device: string;
  /** Where the activations come from. */
  source: { model: string; hook: string; samples: number };
  /** The SAEs, in the order of the chain. */
  saes: StitchedSaeRow[];
  /** Each SAE and the next. */
  pairs: StudiedPair[];
  /** What all SAEs have in common (Fig. 19). */
  overlap: DecoderOverlap;
  /** How far their decoder biases agree (Fig. 20). */
  biases: DecoderBiasAgreement;
  /** Examples of groups (A.5). */
  examples?: NamedGroups[];
  /** What else was set, shown as it is. */
  settings: Record<string, unknown>;
}

/** All figures of a stitching report, for files of their own. */
export function stitchingPlots(
  pairs: readonly StudiedPair[],
  overlap: DecoderOverlap,
): Promise<Figure>[] {
  return [...chainPlots(pairs), ...pairs.flatMap(pairPlots), overlapPlot(overlap, pairs)];
}

function chainPlots(pairs: readonly StudiedPair[]): Promise<Figure>[] {
  return [...pathPlots(pairs), rocPlot(pairs), randomPlot(pairs), shrinkagePlot(pairs)];
}

function pairPlots(pair: StudiedPair): Promise<Figure>[] {
  return [cosinePlot, effectsPlot, similarityPlot, swapsPlot, missingPlot].map((plot) =>
    plot(pair)
  );
}

/** Writes a report on stitching: one HTML page that needs nothing else. */
export async function stitchingReport(report: StitchingReport): Promise<string> {
  const { date, device, source, saes, pairs, overlap, biases, examples = [], settings } = report;
  const title = `${saes.map(({ name }) => name).join(" → ")}, stitched`;
  const facts = [
    `${source.model} at ${source.hook}`,
    `${formatNumber(source.samples)} samples`,
    device,
    date,
  ];
  return reportPage(title, [
    pageHead(title, facts),
    section("The SAEs", saeTable(saes)),
    section(
      "From SAE to SAE",
      paragraph(
        "Novel latents of the larger SAE are inserted one by one, then groups of similar latents are " +
          "swapped, until the larger SAE is reached. Eq. 5 mixes the decoder biases at every step.",
      ) + await figureGrid(chainPlots(pairs)),
    ),
    ...await Promise.all(
      pairs.map(async (pair) => section(pairTitle(pair), await pairSection(pair))),
    ),
    examples.length > 0
      ? section("Groups that are swapped", examples.map(groupTable).join("\n"))
      : "",
    section(
      "What the SAEs have in common",
      await figureGrid([overlapPlot(overlap, pairs)]) + commonTables(overlap, biases, pairs),
    ),
    section("Settings", settingsTable(settings)),
  ]);
}

async function pairSection(pair: StudiedPair): Promise<string> {
  const { warnings } = pair.study;
  const claims = stitchingClaims(pair.study);
  const why = commonReason(claims);
  return warnings.map((warning) => paragraph(`Mind: ${warning}.`)).join("") +
    (why === undefined ? "" : paragraph(`Nothing is decided: ${why}.`)) +
    claimTable(withoutCommonReason(claims)) + controlTable(pair) +
    await figureGrid(pairPlots(pair));
}

/** What the verdicts of a pair are controlled by. */
function controlTable({ small, large, study: { controls } }: StudiedPair): string {
  return table(
    "Controls: one gain per SAE (its activations times g, fitted to the samples) undoes shrinkage; " +
      "random directions with a gain are what an SAE must beat",
    ["Name", "Gain g", "NMSE", "with gain", "random directions"],
    ([[small, controls.small], [large, controls.large]] as const).map(([name, control]) => [
      name,
      ...[control.gain, control.nmse, control.nmseWithGain, control.randomNmse].map((value) =>
        Number.isFinite(value) ? value.toFixed(4) : "–"
      ),
    ]),
  );
}

const VERDICT = { true: "holds", false: "does not hold", undefined: "not decided" };

/** Claims with a verdict and this run's numbers each, as a table. */
export function claimTable(claims: readonly Claim[]): string {
  return table(
    "What the paper claims, and what this run says",
    ["Claim", "Here", "Numbers"],
    claims.map(({ claim, found, holds, why }) => [
      claim,
      VERDICT[String(holds) as keyof typeof VERDICT] + (why ? `: ${why}` : ""),
      found,
    ]),
    false,
  );
}

function saeTable(saes: readonly StitchedSaeRow[]): string {
  return table(
    "Each alone, on the same activations",
    ["Name", "Architecture", "Latents", "L0", "MSE (Σ over d)", "NMSE", "Never active"],
    saes.map((sae) => [
      sae.name,
      sae.architecture,
      String(sae.dictSize),
      sae.l0.toFixed(2),
      sae.mse.toPrecision(4),
      Number.isFinite(sae.nmse) ? sae.nmse.toFixed(4) : "–",
      String(sae.deadLatents),
    ]),
  );
}

function commonTables(
  { names, share }: DecoderOverlap,
  { cosine, leastCosine, mostDifference }: DecoderBiasAgreement,
  pairs: readonly StudiedPair[],
): string {
  const threshold = pairs[0]?.study.threshold;
  const rows = (values: number[][], digits: number) =>
    values.map((row, i) => [names[i], ...row.map((value) => value.toFixed(digits))]);
  return table(
    `Share of the latents of a row's SAE that have a latent of cosine ≥ ${threshold} in a column's ` +
      `(Fig. 19)`,
    ["", ...names],
    rows(share, 3),
  ) + table(
    `Cosine of the decoder biases (Fig. 20): at least ${
      leastCosine.toFixed(4)
    }; norms differ by up ` +
      `to ${(100 * mostDifference).toFixed(2)} %`,
    ["", ...names],
    rows(cosine, 4),
  );
}

function groupTable({ pair, lines }: NamedGroups): string {
  return table(pair, ["Kind", "Latents of the small SAE ↔ of the large one"], [
    ...lines.map(({ kind, group }) => [kind, group]),
  ], false);
}
