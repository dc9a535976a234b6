// Folders of results as `saewing stitch`, `sweep` and `train` write them, with numbers of choice.
import type { ResultFolder } from "../../lib/explorer/result_folder.ts";
import { createRandom } from "../../lib/random.ts";
import { csv } from "../../lib/report/files.ts";
import { META_FORMAT } from "../../lib/report/meta_files.ts";
import { STITCH_FORMAT } from "../../lib/report/stitching_files.ts";

/** An SAE of made results. */
export interface MadeSae {
  name: string;
  dictSize: number;
  decoderDigest: string;
}

/** A folder in memory. `digests` are those of the SAEs that it holds. */
export function madeFolder(
  kind: ResultFolder["kind"],
  name: string,
  files: Record<string, string>,
  digests: Record<string, string> = {},
): ResultFolder {
  return {
    ...{ kind, name, files: Object.keys(files) },
    read: (file) => Promise.resolve(files[file]),
    digest: (sae) => Promise.resolve(digests[sae]),
  };
}

const FIGURE =
  `<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 9 9"><title>a figure</title>
<path d="M0 0h9"/></svg>`;

/**
 * A chain, stitched. Of a pair's large SAE latent i is novel where i is even; latents 4g + 1 and 4g + 3 are
 * group g with latent g of the small SAE, as long as there are such; other latents of the small SAE are in
 * no group.
 *
 * @param text What stands where text can.
 */
export function madeStitching(
  saes: readonly MadeSae[],
  { name = "runs/stitch", text = "a claim" } = {},
): ResultFolder {
  const files: Record<string, string> = { "plots/roc.svg": FIGURE };
  const pairs = saes.slice(1).map((large, i) => {
    const [small, file] = [saes[i], `pair${i}`];
    Object.assign(files, madePair(small.dictSize, large.dictSize, file));
    return {
      ...{ small: small.name, large: large.name, file, threshold: 0.7, warnings: [text] },
      claims: [
        { claim: `${text} 1`, found: text, holds: true },
        { claim: `${text} 2`, found: text, holds: false },
        { claim: `${text} 3`, found: text, why: text },
      ],
    };
  });
  files["stitch.json"] = JSON.stringify({
    ...{ format: STITCH_FORMAT, date: "2026-01-02" },
    source: { model: text, hook: text, samples: 5000 },
    saes: saes.map((sae, i) => ({
      ...{ ...sae, architecture: "batchtopk", l0: 10 + i, mse: 100 - i, nmse: 0.5 / (i + 1) },
      deadLatents: i,
    })),
    pairs,
  });
  return madeFolder("stitch", name, files);
}

function madePair(small: number, large: number, file: string): Record<string, string> {
  const groups = Math.min(small, Math.floor(large / 4));
  const range = (count: number) => Array.from({ length: count }, (_, i) => i);
  const noise = (i: number) => createRandom(i).uniform();
  const novel = range(large).filter((latent) => latent % 2 === 0);
  const points: Record<string, string | number>[] = [];
  const step = (phase: string, removed: number[], inserted: number[], latents: number) =>
    points.push({
      ...{ step: points.length, phase, mse: 100 - 30 * points.length / large, biasMse: 100 },
      ...{ nmse: 0.5, l0: 10 + points.length / large, smallCount: 0, largeCount: latents },
      ...{ removed: removed.join(" "), inserted: inserted.join(" ") },
    });
  step("start", [], [], small);
  novel.forEach((latent, i) => step("insert", [], [latent], small + i + 1));
  for (const g of range(groups)) {
    step("swap", [g], [4 * g + 1, 4 * g + 3], small + novel.length + g + 1);
  }
  for (const latent of range(small).slice(groups)) {
    step("remove", [latent], [], small + novel.length + groups - latent);
  }
  return {
    [`latents_${file}.csv`]: csv(
      range(large).map((latent) => ({
        ...{
          latent,
          nearest: latent % small,
          cosine: (latent % 2 ? 0.7 : 0.3) + 0.29 * noise(latent),
        },
        ...{ novel: 1 - latent % 2, deltaMse: (latent % 2 ? 0.1 : -0.3) * noise(large + latent) },
        ...{ deltaBias: 0.001, deltaL0: latent === 0 ? 0 : noise(2 * large + latent) / 10 + 0.001 },
      })),
    ),
    [`swaps_${file}.csv`]: csv(
      range(groups).map((g) => ({
        ...{ small: g, large: `${4 * g + 1} ${4 * g + 3}`, deltaMse: 0.5, deltaBias: 0.25 },
        deltaL0: -0.125,
      })),
    ),
    [`path_${file}.csv`]: csv(points),
    [`missing_information_${file}.csv`]: csv(
      novel.slice(1).map((latent) => ({
        ...{ latent, activeSamples: latent === 2 ? 3 : 50, smallInactive: 100 },
        ...{ smallActive: 100 + latent, largeInactive: 50, largeActive: 50 },
      })),
    ),
    [`plots/cosine_${file}.svg`]: FIGURE,
  };
}

/** A sweep of SAEs with k 8 and 16 of each size. */
export function madeSweep(
  saes: readonly (MadeSae & { k: number })[],
  { name = "runs/sweep", architecture = "batchtopk" } = {},
): ResultFolder {
  const rows = saes.map((sae) => ({
    ...{ name: sae.name, architecture, dictSize: sae.dictSize, k: sae.k, variant: "", seed: 1 },
    ...{ steps: 100, nmse: 4 / (sae.k + sae.dictSize), explainedVariance: 0.75, l0: sae.k + 0.25 },
    ...{ mse: 90, ceClean: 4, ceSpliced: 4.5, ceDegradation: 0.5, ceRecoveredFromZero: 0.875 },
    ...{ ceRecoveredFromMean: NaN, ceZeroAblated: 8, ceMeanAblated: 7, deadLatents: 1 },
  }));
  const files: Record<string, string> = { "sweep.csv": csv(rows) };
  for (const { name } of saes) files[`${name}/metrics.csv`] = madeMetrics();
  const digests = Object.fromEntries(
    saes.map(({ name, decoderDigest }) => [`${name}/sae`, decoderDigest]),
  );
  return madeFolder("sweep", name, files, digests);
}

const madeMetrics = (): string =>
  csv(Array.from({ length: 50 }, (_, i) => ({
    ...{ step: i + 1, loss: 2 / (i + 1), l0: 16, deadLatents: 50 - i },
  })));

/** A training run with measures. */
export function madeTraining(decoderDigest: string, name = "runs/train"): ResultFolder {
  const evaluation = {
    ...{ nmse: 0.125, explainedVariance: 0.875, l0: 15.5, mse: 3.25, deadLatents: 7 },
    crossEntropy: { clean: 4, spliced: 4.25, degradation: 0.25, recoveredFromZero: 0.9375 },
  };
  return madeFolder("train", name, {
    "evaluation.json": JSON.stringify(evaluation),
    "metrics.csv": madeMetrics(),
  }, { sae: decoderDigest });
}

/** A meta-SAE's run. */
export function madeMeta(sae: MadeSae, text = "a claim", name = "runs/meta"): ResultFolder {
  const summary = {
    ...{ format: META_FORMAT, date: "2026-01-02", sae, warnings: [text] },
    measures: { explainedVariance: 0.5, l0: 4, deadMetaLatents: 1, metaLatents: 9 },
    claims: [{ claim: `${text} 4`, found: text, why: text }],
  };
  return madeFolder("meta", name, {
    ...{ "meta.json": JSON.stringify(summary), "plots/mean_cosine.svg": FIGURE },
  });
}
