import { csv, plotFiles, type Row } from "./files.ts";
import { pairClaims, stitchingClaims } from "../claims/stitching_claims.ts";
import { pairFile, pairTitle, type StudiedPair } from "../stitching/study_chain.ts";
import { stitchingPlots } from "./stitching_plots.ts";
import { type StitchingReport, stitchingReport } from "./stitching_report.ts";
import { type Claim, claimRows } from "../claims/verdict.ts";

/** Format of `stitch.json`. */
export const STITCH_FORMAT = "saewing stitching 1";

/** What `stitch.json` holds: what was stitched, and what this run says to the claims. */
export interface StitchingSummary {
  /** {@linkcode STITCH_FORMAT}. */
  format: string;
  /** When it ran. */
  date: string;
  /** Where the activations come from. */
  source: StitchingReport["source"];
  /** The SAEs, in the order of the chain. */
  saes: StitchingReport["saes"];
  /** Each SAE and the next. */
  pairs: {
    small: string;
    large: string;
    /** What the names of its files end with. */
    file: string;
    /** θ of Eq. 6. */
    threshold: number;
    warnings: string[];
    claims: Claim[];
  }[];
}

function summaryOf({ date, source, saes, pairs }: StitchingReport): StitchingSummary {
  return {
    ...{ format: STITCH_FORMAT, date, source, saes },
    pairs: pairs.map((pair) => ({
      ...{ small: pair.small, large: pair.large, file: pairFile(pair) },
      ...{ threshold: pair.study.threshold, warnings: pair.study.warnings },
      claims: stitchingClaims(pair.study),
    })),
  };
}

/**
 * The results of stitching as text files, by their paths: report.html, plots/, stitch.json, and CSV files
 * with the SAEs, what they share, controls, claims, and for each pair latents, swaps, paths and the rest.
 *
 * @example
 * ```ts ignore
 * for (const [path, text] of Object.entries(await stitchingFiles(report))) {
 *   await Deno.writeTextFile(`runs/stitch/${path}`, text);
 * }
 * ```
 */
export async function stitchingFiles(about: StitchingReport): Promise<Record<string, string>> {
  const claims = pairClaims(about.pairs).flatMap(({ pair, claims }) =>
    claimRows(claims).map((row): Row => ({ pair, ...row }))
  );
  const tables = { ...stitchTables(about), claims };
  return {
    ...await plotFiles(stitchingPlots(about.pairs, about.overlap)),
    ...Object.fromEntries(Object.entries(tables).map(([name, rows]) => [`${name}.csv`, csv(rows)])),
    "stitch.json": JSON.stringify(summaryOf(about), null, 2) + "\n",
    "report.html": await stitchingReport(about),
  };
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
        const { seed, lossChange, ...numbers } = pair.study.controls[side];
        return { pair: pairTitle(pair), sae: pair[side], ...numbers, seed, lossChange };
      })
    ),
    ...Object.assign({}, ...pairs.map(pairTables)),
  };
}

function pairTables(pair: StudiedPair): Record<string, Row[]> {
  const { nearest, effects, groups, swaps, path, randomInsertions, withGain } = pair.study;
  const { roc, similarity, missing } = pair.study;
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
    [`roc_${file}`]: roc.points.map(
      ({ threshold, truePositiveRate, falsePositiveRate, accuracy }) => ({
        ...{ threshold, truePositiveRate, falsePositiveRate, accuracy },
      }),
    ),
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
