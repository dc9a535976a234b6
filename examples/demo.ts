// Trains a BatchTopK SAE in the middle of the embedded model on English text from npm, measures it on
// held-out documents and writes runs/demo/report.html. All the work is one `saewing train`. Arguments are
// the number of steps (400 if it is not given) and of rows of held-out text (192).
import { fromFileUrl, relative } from "@std/path";
import { main } from "../cli.ts";
import { writeDemoCorpus } from "./demo_corpus.ts";

const folder = "runs/demo";
const { train, heldOut } = await writeDemoCorpus(folder);
const model = relative(Deno.cwd(), fromFileUrl(import.meta.resolve("./tiny-gpt2")));
const args = [
  ...["train", "--model", model],
  ...["--hook", "blocks.2.hook_resid_pre", "--text", train],
  ...["--dict-size", "1024", "--k", "16", "--steps", Deno.args[0] ?? "400"],
  ...["--batch-size", "1024"],
  ...["--out", folder, "--overwrite", "--eval-text", heldOut],
  ...["--eval-rows", Deno.args[1] ?? "192"],
];
console.log(`\nsaewing ${args.join(" ")}\n`);
Deno.exit(await main(args));
