import { stringify } from "@std/csv";
import { join } from "@std/path";
import {
  type Claim,
  latentsOf,
  metaClaims,
  metaLatentsOf,
  type MetaReport,
  metaReport,
} from "../mod.ts";
import { mean } from "../lib/report/meta_findings.ts";
import { peakTokens } from "../lib/report/meta_labels.ts";
import { metaPlots } from "../lib/report/meta_plots.ts";
import { describeClaim } from "./describe.ts";
import type { OutputFolder } from "./output_folder.ts";

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

type Row = Record<string, string | number>;

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
