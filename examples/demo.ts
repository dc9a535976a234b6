// Trains a BatchTopK SAE on the residual stream of the embedded model and English text from npm, evaluates it on
// held-out documents, and writes runs/demo/report.html and a site to explore the latents, runs/demo-site. Runs three
// commands: train, dashboard, explore. Arguments: number of steps (default 400) and of rows of held-out text (192).
import { fromFileUrl, relative } from "@std/path";
import { main } from "../cli.ts";
import { writeDemoCorpus } from "./demo_corpus.ts";

const folder = "runs/demo";
const { train, heldOut } = await writeDemoCorpus(folder);
const model = relative(Deno.cwd(), fromFileUrl(import.meta.resolve("./tiny-gpt2")));
const [steps = "400", rows = "192"] = Deno.args;
const commands = [
  [
    ...["train", "--model", model],
    ...["--hook", "blocks.2.hook_resid_pre", "--text", train],
    ...["--dict-size", "1024", "--k", "16", "--steps", steps],
    ...["--batch-size", "1024"],
    ...["--out", folder, "--overwrite", "--eval-text", heldOut],
    ...["--eval-rows", rows],
  ],
  [
    ...["dashboard", folder, "--text", heldOut, "--examples", rows],
    ...["--out", "runs/demo-dashboards", "--overwrite"],
  ],
  ["explore", "runs/demo-dashboards", folder, "--out", "runs/demo-site", "--overwrite"],
];
for (const args of commands) {
  console.log(`\nsaewing ${args.join(" ")}\n`);
  const code = await main(args);
  if (code !== 0) Deno.exit(code);
}
console.log(`
To explore the latents:
  deno run -A cli.ts explore runs/demo-dashboards runs/demo --serve
Any web server shows runs/demo-site as well.`);
