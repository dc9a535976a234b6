/**
 * Latents of a study to look at, by the tokens that distinguish their contexts: latents that split, novel
 * latents, meta-latents.
 *
 * `deno run -A examples/study_examples.ts OUT`
 */
import { parse } from "@std/csv";
import { join } from "@std/path";
import { type DashboardReader, folderReader, openDashboards } from "../lib/explorer/mod.ts";

type Row = Record<string, string>;
type Labels = (latent: number | string) => Promise<string>;

/** Examples of each kind that are shown. */
const MOST = 8;

const [out] = Deno.args;
if (out === undefined) {
  console.error("expected one argument, the folder of a study (the OUT of examples/study.ts)");
  Deno.exit(2);
}
const stages = (await Array.fromAsync(Deno.readDir(out))).map(({ name }) => name).sort();

for (const stage of stages.filter((name) => /^stitch-(?!.*-seeds$)/.test(name))) {
  const family = stage.slice("stitch-".length);
  for await (const { name } of Deno.readDir(join(out, stage))) {
    const pair = name.match(/^latents_(.*_m(\d+)_.*_to_.*_m(\d+)_.*)\.csv$/);
    if (pair === null) continue;
    const [small, large] = await Promise.all([labels(family, pair[2]), labels(family, pair[3])]);
    const latents = await rows(stage, name);
    console.log(`\n## ${family}, ${pair[2]} → ${pair[3]} latents\n`);
    await showSplits(await rows(stage, `swaps_${pair[1]}.csv`), latents, small, large);
    await showNovel(latents, small, large);
  }
}
for (const stage of stages.filter((name) => name.startsWith("meta-"))) {
  const family = stage.slice("meta-".length);
  const size = Math.max(
    ...stages.map((name) => Number(name.match(`^dashboards-${family}-(\\d+)$`)?.[1] ?? 0)),
  );
  console.log(`\n## ${family}, meta-latents of ${size} latents\n`);
  await showMeta(await rows(stage, "meta_latent_latents.csv"), await labels(family, String(size)));
}

/** Latents of the smaller SAE with several counterparts, those with the most similar ones first. */
async function showSplits(swaps: Row[], latents: Row[], small: Labels, large: Labels) {
  const splits = swaps.map((row) => ({
    ...row,
    from: row.small.split(" "),
    to: row.large.split(" "),
  }))
    .filter(({ from, to }) => from.length === 1 && to.length > 1)
    .map((split) => ({
      ...split,
      cosine: Math.min(...split.to.map((latent) => Number(latents[Number(latent)].cosine))),
    }))
    .sort((a, b) => b.cosine - a.cosine);
  console.log(`Latents that split: ${splits.length}\n`);
  for (const { from: [latent], to, cosine } of splits.slice(0, MOST)) {
    const parts = await Promise.all(to.map(async (one) => `${one} (${await large(one)})`));
    console.log(
      `- ${latent} (${await small(latent)}) → ${parts.join(", ")}; cosines from ${
        cosine.toFixed(2)
      }`,
    );
  }
}

/** Novel latents, those first that improve the smaller SAE most with gains. */
async function showNovel(latents: Row[], small: Labels, large: Labels) {
  const novel = latents.filter((row) => row.novel === "1")
    .map(({ latent, nearest, cosine, deltaMseWithGain, deltaBiasWithGain }) => {
      const change = Number(deltaMseWithGain) - Number(deltaBiasWithGain);
      return { latent, nearest, cosine: Number(cosine).toFixed(2), change };
    })
    .sort((a, b) => a.change - b.change);
  console.log(`\nNovel latents: ${novel.length}\n`);
  for (const { latent, nearest, cosine, change } of novel.slice(0, MOST)) {
    console.log(
      `- ${latent} (${await large(latent)}): MSE ${change.toPrecision(3)}; nearest ${nearest} ` +
        `(${await small(nearest)}), cosine ${cosine}`,
    );
  }
}

/** Meta-latents of some latents each, those with the largest weights first. */
async function showMeta(weights: Row[], label: Labels) {
  const byMeta = Map.groupBy(weights, (row) => row.metaLatent);
  const mean = (all: Row[]) => all.reduce((sum, row) => sum + Number(row.weight), 0) / all.length;
  const shown = [...byMeta].filter(([, all]) => all.length >= 4)
    .map(([meta, all]) => {
      const strongest = all.toSorted((a, b) => Number(b.weight) - Number(a.weight)).slice(0, 5);
      return { meta, count: all.length, strongest, weight: mean(strongest) };
    })
    .sort((a, b) => b.weight - a.weight);
  for (const { meta, count, strongest } of shown.slice(0, 2 * MOST)) {
    const parts = await Promise.all(
      strongest.map(async ({ latent, weight }) =>
        `${latent} (${await label(latent)}) ${Number(weight).toFixed(2)}`
      ),
    );
    console.log(`- meta-latent ${meta}, ${count} latents: ${parts.join(", ")}`);
  }
}

/** Labels of an SAE's latents from its dashboards. */
async function labels(family: string, size: string): Promise<Labels> {
  const reader: DashboardReader = await openDashboards(
    folderReader(join(out, `dashboards-${family}-${size}`)),
  );
  return async (latent) => (await reader.record(Number(latent))).label?.text ?? "no label";
}

/** The rows of a stage's CSV file. */
async function rows(stage: string, file: string): Promise<Row[]> {
  return parse(await Deno.readTextFile(join(out, stage, file)), { skipFirstRow: true }) as Row[];
}
