import { mean } from "../mean.ts";
import type { MetaMeasures } from "../meta/measure_meta_sae.ts";
import { latentsOf, metaLatentsOf } from "../meta/read_decomposition.ts";
import { csv, plotFiles, type Row } from "./files.ts";
import { peakTokens } from "./meta_cards.ts";
import { metaClaims } from "../claims/meta_claims.ts";
import { metaPlots } from "./meta_plots.ts";
import { type MetaReport, metaReport } from "./meta_report.ts";
import { type Claim, claimRows } from "../claims/verdict.ts";

/** Format of `meta.json`. */
export const META_FORMAT = "saewing meta 1";

/** What `meta.json` holds: of which SAE it is, measures, and what this run says to the claims. */
export interface MetaSummary {
  /** {@linkcode META_FORMAT}. */
  format: string;
  /** When it ran. */
  date: string;
  /** The decomposed SAE. */
  sae: MetaReport["sae"];
  /** Of the decomposition. */
  measures: MetaMeasures & {
    /** Number of meta-latents. */
    metaLatents: number;
  };
  /** What can make numbers mean something else. */
  warnings: string[];
  /** The claims of section 5. */
  claims: Claim[];
}

function summaryOf(about: MetaReport): MetaSummary {
  const { date, sae, warnings, decomposition } = about;
  const { explainedVariance, l0, deadMetaLatents, metaLatents: { rows } } = decomposition;
  return {
    ...{ format: META_FORMAT, date, sae, warnings, claims: metaClaims(about) },
    measures: { explainedVariance, l0, deadMetaLatents, metaLatents: rows },
  };
}

/**
 * The results of a meta-SAE as text files, by their paths: report.html, plots/, meta.json, and CSV files with
 * claims, metrics of its training, latents, meta-latents, the weights both ways, and the SAEs beside it.
 *
 * @example
 * ```ts ignore
 * for (const [path, text] of Object.entries(await metaFiles(report))) {
 *   await Deno.writeTextFile(`runs/meta/${path}`, text);
 * }
 * ```
 */
export async function metaFiles(about: MetaReport): Promise<Record<string, string>> {
  const tables = Object.entries(metaTables(about)).filter(([, rows]) => rows.length > 0);
  return {
    ...await plotFiles(metaPlots(about)),
    ...Object.fromEntries(tables.map(([name, rows]) => [`${name}.csv`, csv(rows)])),
    "meta.json": JSON.stringify(summaryOf(about), null, 2) + "\n",
    "report.html": await metaReport(about),
  };
}

/** The tables of a run by the names of their files. */
function metaTables(about: MetaReport): Record<string, Row[]> {
  const { decomposition, compared, contexts, history } = about;
  const { latents, metaLatents, squaredErrors, explainedVariance, l0 } = decomposition;
  const { singleErrors } = decomposition;
  const range = (length: number) => Array.from({ length }, (_, at) => at);
  const count = ({ rowOffsets }: { rowOffsets: Uint32Array }, row: number) =>
    rowOffsets[row + 1] - rowOffsets[row];
  return {
    claims: claimRows(metaClaims(about)),
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
      explainedVariance,
      replacedExplainedVariance: other.replaced.explainedVariance,
      randomExplainedVariance: other.replacedControls.isotropic.explainedVariance,
      matchedExplainedVariance: other.replacedControls.matched?.explainedVariance ?? NaN,
      l0,
      replacedL0: other.replaced.l0,
      replacedDead: other.replaced.deadMetaLatents,
    })),
  };
}
