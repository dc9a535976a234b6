import { stringify } from "@std/csv";
import { join } from "@std/path";
import { mean } from "../lib/report/meta_findings.ts";
import { peakTokens } from "../lib/report/meta_cards.ts";
import { metaPlots } from "../lib/report/meta_plots.ts";
import { stitchingClaims } from "../lib/report/stitching_claims.ts";
import { stitchingPlots } from "../lib/report/stitching_plots.ts";
import { type StitchingReport, stitchingReport } from "../lib/report/stitching_report.ts";
import { pairFile, pairTitle, type StudiedPair } from "../lib/report/studied_pair.ts";
import { commonReason, withoutCommonReason } from "../lib/report/verdict.ts";
import { type Claim, metaClaims, type MetaReport, metaReport } from "../lib/report/mod.ts";
import { latentsOf, metaLatentsOf } from "../lib/meta/mod.ts";
import { describeClaim } from "./describe.ts";
import type { OutputFolder } from "./output_folder.ts";

/** Pairs and what this run says to the paper's claims about them, for machines. */
export type PairClaims = {
  pair: string;
  warnings: string[];
  controls: StudiedPair["study"]["controls"];
  claims: ReturnType<typeof stitchingClaims>;
};

/** Writes report, tables and plots of a stitching run; gives a summary for people and machines. */
export async function writeStitchResults(
  folder: OutputFolder,
  about: StitchingReport,
): Promise<{ report: string; text: string; claims: PairClaims[] }> {
  const plots = await Promise.all(stitchingPlots(about.pairs, about.overlap));
  const claims = about.pairs.map((pair) => ({
    pair: pairTitle(pair),
    warnings: pair.study.warnings,
    controls: pair.study.controls,
    claims: stitchingClaims(pair.study),
  }));
  const tables = { ...stitchTables(about), claims: claimRows(claims) };
  const csv = (rows: Row[]) => {
    const columns = Object.keys(rows[0] ?? {});
    return columns.length > 0 ? stringify(rows.map(finiteOnly), { columns }) : "";
  };
  await folder.write({
    ...Object.fromEntries(plots.map(({ name, svg }) => [`plots/${name}.svg`, svg])),
    ...Object.fromEntries(Object.entries(tables).map(([name, rows]) => [`${name}.csv`, csv(rows)])),
    "report.html": await stitchingReport(about),
  });
  const text = claims.map(describePair).join("\n");
  return { report: join(folder.path, "report.html"), text, claims };
}

function describePair({ pair, warnings, claims }: PairClaims): string {
  const why = commonReason(claims);
  return [
    pair,
    ...warnings.map((warning) => `  Mind: ${warning}.`),
    ...(why === undefined ? [] : [`  Nothing is decided: ${why}.`]),
    ...withoutCommonReason(claims).map(describeClaim),
  ].join("\n");
}

type Row = Record<string, string | number>;

function claimRows(pairs: readonly PairClaims[]): Row[] {
  return pairs.flatMap(({ pair, claims }) =>
    claims.map(({ claim, found, holds, why = "" }) => ({
      ...{ pair, claim, verdict: holds === undefined ? "not decided" : holds ? "yes" : "no" },
      ...{ why, found },
    }))
  );
}

/** A cell stays empty where there is no number: the NMSE of one sample, the threshold above all cosines. */
function finiteOnly(row: Row): Row {
  return Object.fromEntries(
    Object.entries(row).map(([name, value]) =>
      typeof value === "number" && !Number.isFinite(value) ? [name, ""] : [name, value]
    ),
  );
}

/** The tables of a run by the names of their files. */
function stitchTables({ saes, pairs, overlap, biases }: StitchingReport): Record<string, Row[]> {
  const square = (values: number[][]): Row[] =>
    values.map((row, i) => ({
      sae: overlap.names[i],
      ...Object.fromEntries(row.map((value, j) => [overlap.names[j], value])),
    }));
  return {
    saes: saes.map((sae) => ({ ...sae })),
    overlap: square(overlap.share),
    decoder_biases: square(biases.cosine),
    controls: pairs.flatMap((pair) =>
      (["small", "large"] as const).map((side) => {
        const { seed = "", lossChange = "", ...numbers } = pair.study.controls[side];
        return { pair: pairTitle(pair), sae: pair[side], ...numbers, seed, lossChange };
      })
    ),
    ...Object.assign({}, ...pairs.map(pairTables)),
  };
}

function pairTables(pair: StudiedPair): Record<string, Row[]> {
  const { nearest, effects, groups, swaps, path, randomInsertions, roc, similarity, missing } =
    pair.study;
  const { withGain } = pair.study;
  const file = pairFile(pair);
  const latents = Array.from(nearest.cosine, (cosine, latent) => ({
    latent,
    nearest: nearest.nearest[latent],
    cosine,
    novel: Number(cosine < pair.study.threshold),
    deltaMse: effects.deltaMse[latent],
    deltaBias: effects.deltaBias[latent],
    deltaMseWithGain: withGain.effects.deltaMse[latent],
    deltaBiasWithGain: withGain.effects.deltaBias[latent],
    deltaL0: effects.deltaL0[latent],
  }));
  const points = (all: typeof path) =>
    all.map(({ removed, inserted, ...point }) => ({
      ...point,
      removed: removed.join(" "),
      inserted: inserted.join(" "),
    }));
  return {
    [`latents_${file}`]: latents,
    [`swaps_${file}`]: groups.groups.map((group, i) => ({
      small: group.small.join(" "),
      large: group.large.join(" "),
      deltaMse: swaps.deltaMse[i],
      deltaBias: swaps.deltaBias[i],
      deltaL0: swaps.deltaL0[i],
    })),
    [`path_${file}`]: points(path).map((point, i) => ({
      ...point,
      mseWithGain: withGain.path[i].mse,
      biasMseWithGain: withGain.path[i].biasMse,
    })),
    [`random_insertion_${file}`]: points(randomInsertions),
    [`roc_${file}`]: roc.points.map((point) => ({
      threshold: point.threshold,
      truePositiveRate: point.truePositiveRate ?? "",
      falsePositiveRate: point.falsePositiveRate ?? "",
      accuracy: point.accuracy ?? "",
    })),
    [`similarity_${file}`]: similarity.pairs.map((pair) => ({ ...pair })),
    [`missing_information_${file}`]: missing.latents.map((row) => ({
      latent: row.latent,
      activeSamples: row.activeSamples,
      smallInactive: row.small.inactive,
      smallActive: row.small.active,
      largeInactive: row.large.inactive,
      largeActive: row.large.active,
    })),
  };
}

/** Writes report, tables and plots of a meta-SAE; gives a summary for people and machines. */
export async function writeMetaResults(
  folder: OutputFolder,
  about: MetaReport,
): Promise<{ report: string; text: string; claims: Claim[] }> {
  const tables = Object.entries(metaTables(about)).filter(([, rows]) => rows.length > 0);
  const csv = (rows: Row[]) => stringify(rows, { columns: Object.keys(rows[0]) });
  const plots = await Promise.all(metaPlots(about));
  await folder.write({
    ...Object.fromEntries(plots.map(({ name, svg }) => [`plots/${name}.svg`, svg])),
    ...Object.fromEntries(tables.map(([name, rows]) => [`${name}.csv`, csv(rows)])),
    "report.html": await metaReport(about),
  });
  const claims = metaClaims(about);
  return {
    report: join(folder.path, "report.html"),
    text: claims.map(describeClaim).join("\n"),
    claims,
  };
}

/** The tables of a run by the names of their files. */
function metaTables(
  { decomposition, compared, contexts, history }: MetaReport,
): Record<string, Row[]> {
  const { latents, metaLatents, squaredErrors, explainedVariance, l0 } = decomposition;
  const { singleErrors } = decomposition;
  const range = (length: number) => Array.from({ length }, (_, at) => at);
  const count = ({ rowOffsets }: { rowOffsets: Uint32Array }, row: number) =>
    rowOffsets[row + 1] - rowOffsets[row];
  return {
    metrics: history.map((record) => ({ ...record })),
    latents: range(latents.rows).map((latent) => ({
      latent,
      metaLatents: count(latents, latent),
      squaredError: squaredErrors[latent],
      singleError: singleErrors[latent],
      density: contexts.get(latent)?.density ?? "",
      tokens: peakTokens(latent, contexts).join(" "),
    })),
    latent_meta_latents: range(latents.rows).flatMap((latent) =>
      metaLatentsOf(decomposition, latent)
        .map(({ latent: metaLatent, weight }) => ({ latent, metaLatent, weight }))
    ),
    meta_latents: range(metaLatents.rows).map((metaLatent) => ({
      metaLatent,
      latents: count(metaLatents, metaLatent),
      ...Object.fromEntries(compared.flatMap(({ name, cosine, nearest }) => [
        [`cosine ${name}`, cosine[metaLatent]],
        [`nearest ${name}`, nearest[metaLatent]],
      ])),
    })),
    meta_latent_latents: range(metaLatents.rows).flatMap((metaLatent) =>
      latentsOf(decomposition, metaLatent).map(({ latent, weight }) => ({
        metaLatent,
        latent,
        weight,
      }))
    ),
    compared: compared.map((other) => ({
      sae: other.name,
      dictSize: other.dictSize,
      meanCosine: other.meanCosine,
      randomCosine: mean(other.chance.isotropic),
      matchedCosine: mean(other.chance.matched),
      explainedVariance: finite(explainedVariance),
      replacedExplainedVariance: finite(other.replaced.explainedVariance),
      randomExplainedVariance: finite(other.replacedControls.isotropic.explainedVariance),
      matchedExplainedVariance: finite(other.replacedControls.matched?.explainedVariance ?? NaN),
      l0,
      replacedL0: other.replaced.l0,
      replacedDead: other.replaced.deadMetaLatents,
    })),
  };
}

/** Rows that are all equal have no variance to explain. */
function finite(value: number): number | string {
  return Number.isFinite(value) ? value : "";
}
