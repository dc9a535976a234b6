import type { DecoderBiasAgreement, DecoderOverlap } from "../stitching/decoder_cosine.ts";
import { formatNumber } from "../format_number.ts";
import {
  figureGrid,
  page,
  paragraph,
  type ReportAbout,
  section,
  settingsTable,
  table,
} from "./page.ts";
import { stitchingClaims } from "../claims/stitching_claims.ts";
import { chainPlots, overlapPlot, pairPlots } from "./stitching_plots.ts";
import { pairTitle, type StitchedSaeRow, type StudiedPair } from "../stitching/study_chain.ts";
import { type Claim, commonReason, withoutCommonReason } from "../claims/verdict.ts";
import type { NamedGroups } from "../interpretation/name_groups.ts";

/** What a report on stitching tells. */
export interface StitchingReport extends ReportAbout {
  /** Where the activations come from. */
  source: { model: string; hook: string; samples: number };
  /** The SAEs, in the order of the chain; `decoderDigest` tells each from all others (`decoderDigest`). */
  saes: (StitchedSaeRow & { decoderDigest?: string })[];
  /** Each SAE and the next. */
  pairs: StudiedPair[];
  /** What all SAEs have in common (Fig. 19). */
  overlap: DecoderOverlap;
  /** How far their decoder biases agree (Fig. 20). */
  biases: DecoderBiasAgreement;
  /** Examples of groups (A.5). */
  examples?: NamedGroups[];
}

/** Writes a report on stitching: one HTML page that needs nothing else. */
export async function stitchingReport(report: StitchingReport): Promise<string> {
  const { date, device, source, saes, pairs, overlap, biases, examples = [], settings } = report;
  const samples = `${formatNumber(source.samples)} samples`;
  return page(`${saes.map(({ name }) => name).join(" → ")}, stitched`, [
    ...[`${source.model} at ${source.hook}`, samples, device, date],
  ], [
    section("The SAEs", saeTable(saes)),
    section(
      "From SAE to SAE",
      paragraph(
        "Novel latents of the larger SAE are inserted one by one, then groups of similar latents are " +
          "swapped, until the larger SAE is reached. Eq. 5 mixes the decoder biases at every step.",
      ),
      await figureGrid(chainPlots(pairs)),
    ),
    ...await Promise.all(pairs.map(async (pair) =>
      section(
        pairTitle(pair),
        claimTable(stitchingClaims(pair.study), pair.study.warnings),
        controlTable(pair),
        await figureGrid(pairPlots(pair)),
      )
    )),
    section(
      "Groups that are swapped",
      ...examples.map(({ pair, lines }) =>
        table(
          pair,
          ["Kind", "Latents of the small SAE ↔ of the large one"],
          lines.map(({ kind, group }) => [kind, group]),
          false,
        )
      ),
    ),
    section(
      "What the SAEs have in common",
      await figureGrid([overlapPlot(overlap, pairs)]),
      biasTable(biases),
    ),
    section("Settings", settingsTable(settings)),
  ]);
}

/** What the verdicts of a pair are controlled by. */
function controlTable({ small, large, study: { controls } }: StudiedPair): string {
  return table(
    "Controls: one gain per SAE (its activations times g, fitted to the samples) undoes shrinkage; " +
      "random directions with a gain are what an SAE must beat",
    ["Name", "Gain g", "NMSE", "with gain", "random directions"],
    ([[small, controls.small], [large, controls.large]] as const).map(([name, control]) => [
      name,
      ...[control.gain, control.nmse, control.nmseWithGain, control.randomNmse].map(fourDecimals),
    ]),
  );
}

const VERDICT = { true: "holds", false: "does not hold", undefined: "not decided" };

/**
 * Claims with a verdict and this run's numbers each, as a table; above it warnings, and the reason why
 * none is decided, where it is the same for all.
 */
export function claimTable(claims: readonly Claim[], warnings: readonly string[]): string {
  const why = commonReason(claims);
  const notes = [
    ...warnings.map((warning) => `Note: ${warning}.`),
    ...(why === undefined ? [] : [`Nothing is decided: ${why}.`]),
  ];
  return notes.map(paragraph).join("") + table(
    "What the paper claims, and what this run says",
    ["Claim", "Here", "Numbers"],
    withoutCommonReason(claims).map(({ claim, found, holds, why }) => [
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
      ...[sae.name, sae.architecture, String(sae.dictSize), sae.l0.toFixed(2)],
      ...[sae.mse.toPrecision(4), fourDecimals(sae.nmse), String(sae.deadLatents)],
    ]),
  );
}

function biasTable(
  { names, cosine, leastCosine, mostDifference }: DecoderBiasAgreement,
): string {
  return table(
    `Cosine of the decoder biases (Fig. 20): at least ${fourDecimals(leastCosine)}; norms differ ` +
      `by up to ${(100 * mostDifference).toFixed(2)} %`,
    ["", ...names],
    cosine.map((row, i) => [names[i], ...row.map(fourDecimals)]),
  );
}

const fourDecimals = (value: number): string => Number.isFinite(value) ? value.toFixed(4) : "–";
