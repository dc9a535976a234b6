// Trains a family of SAEs of growing size on the residual stream of the embedded model, once with BatchTopK and
// once as the paper's ReLU SAEs, and stitches each family from the smallest to the largest. Verdicts on the
// claims of section 4 are in runs/family/batchtopk-stitched/report.html and relu-stitched/report.html.
// Then collects dashboards of all SAEs and writes a site to walk from SAE to SAE, runs/family/site.
// Arguments: number of steps (1000) and sizes (128,256,512,1024,2048). With these defaults it takes an hour or
// two on two CPU cores.
import { fromFileUrl, relative } from "@std/path";
import { main } from "../cli.ts";
import { writeDemoCorpus } from "./demo_corpus.ts";

const [steps = "1000", sizes = "128,256,512,1024,2048"] = Deno.args;
const { train, heldOut } = await writeDemoCorpus("runs/demo");
const model = relative(Deno.cwd(), fromFileUrl(import.meta.resolve("./tiny-gpt2")));
const families = {
  batchtopk: { k: "16", "dead-after": "20" },
  relu: { sparsity: "1.5e-3", "loss-normalization": "input_deviation" },
};
// Each size has its own seed: with the same seed their first latents would start equal. Three seeds of one
// size show how much SAEs differ by the seed alone.
const all = sizes.split(",").map((size, i) => ({ size, seed: String(i) }));
const { size: middle } = all[all.length >> 1];
const others = ["101", "102"].map((seed) => ({ size: middle, seed }));

const dashboards: string[] = [];
const results: string[] = [];
for (const [architecture, own] of Object.entries(families)) {
  const shared = { architecture, ...own };
  const out = `runs/family/${architecture}`;
  const grid = [...all, ...others].map(({ size, seed }) => ({
    ...shared,
    "dict-size": size,
    seed,
  }));
  await Deno.mkdir("runs/family", { recursive: true });
  await Deno.writeTextFile(`${out}.json`, JSON.stringify(grid));
  await run([
    ...["sweep", "--model", model, "--hook", "blocks.2.hook_resid_pre", "--text", train],
    ...["--grid", `${out}.json`, "--steps", steps, "--decay-steps", String(Number(steps) >> 2)],
    ...["--lr", "1.5e-3", "--batch-size", "256", "--eval-text", heldOut],
    ...["--out", out],
  ]);
  const amount = "k" in own ? `k${own.k}` : `lambda${Number(own.sparsity)}`;
  const folder = ({ size, seed }: { size: string; seed: string }) =>
    `${out}/${architecture}_m${size}_${amount}_seed${seed}/sae`;
  await run([
    ...["stitch", ...all.map(folder), ...others.flatMap((sae) => ["--also", folder(sae)])],
    ...["--text", heldOut, "--samples", "20000", "--out", `${out}-stitched`, "--overwrite"],
  ]);
  results.push(out, `${out}-stitched`);
  for (const [i, sae] of all.entries()) {
    const dashboard = `${out}-dashboards-m${sae.size}`;
    // Neighbours in the SAE before and in the SAE after: ways to walk along the chain.
    const near = [all[i - 1], all[i + 1]].filter((other) => other !== undefined);
    await run([
      ...["dashboard", folder(sae), ...near.flatMap((other) => ["--with", folder(other)])],
      ...["--text", heldOut, "--examples", "64", "--out", dashboard, "--overwrite"],
    ]);
    dashboards.push(dashboard);
  }
}
const site = "runs/family/site";
await run(["explore", ...dashboards, ...results, "--out", site, "--overwrite"]);
console.log(`
To walk through the SAEs in a browser:
  deno run -A cli.ts explore ${[...dashboards, ...results].join(" ")} --serve
Any web server shows ${site} as well.`);

async function run(args: string[]): Promise<void> {
  console.log(`\nsaewing ${args.join(" ")}\n`);
  const code = await main(args);
  if (code !== 0) Deno.exit(code);
}
