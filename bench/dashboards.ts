/**
 * Dashboards of all latents of an SAE on tiny-gpt2: seconds of each part, memory, bytes written; and for comparison the
 * time of SAEDashboard 0.8.0 for as many latents, by the formula in docs/dashboards.md.
 *
 * `deno task bench:dashboards [--latents 16384] [--tokens 1000000] [--l0 32] [--out FOLDER] [--device cpu]`
 */
import { parseArgs } from "@std/cli";
import { fromFileUrl, join } from "@std/path";
import { demoCorpus } from "../examples/demo_corpus.ts";
import { dashboardFiles } from "../lib/explorer/mod.ts";
import { collectDashboards, latentLogits } from "../lib/interpretation/mod.ts";
import { packTokenRows } from "../lib/language_model/mod.ts";
import { openDevice, openLanguageModel, streamActivations, trainSae } from "../mod.ts";

const options = parseArgs(Deno.args, { string: ["latents", "tokens", "l0", "out", "device"] });
const dictSize = Number(options.latents ?? 16384);
const tokens = Number(options.tokens ?? 1e6);
const l0 = Number(options.l0 ?? 32);
const folder = options.out ?? await Deno.makeTempDir();
await Deno.mkdir(folder, { recursive: true });

using device = await openDevice({ device: options.device as "cpu" | undefined });
const path = fromFileUrl(new URL("../examples/tiny-gpt2", import.meta.url));
await using model = await openLanguageModel(path, { hook: "blocks.2.hook_resid_pre" });
const texts = (await demoCorpus()).train;
const activations = streamActivations(model, texts, { batchSize: 2048 });
const { sae } = await trainSae(device, activations, {
  ...{ architecture: "batchtopk", dictSize, k: l0, steps: 60 },
});

let memory = 0;
const watch = setInterval(() => memory = Math.max(memory, Deno.memoryUsage().rss), 100);
const started = performance.now();
let last = started;
const part = (name: string) => {
  const now = performance.now();
  console.log(`${name.padEnd(24)}${((now - last) / 1000).toFixed(1).padStart(8)} s`);
  last = now;
};
// A shorter corpus is read several times.
const rows: Int32Array[] = [];
const wanted = Math.ceil(tokens / 127);
while (rows.length < wanted) {
  const more = packTokenRows(model, texts, { contextLength: 128, maxRows: wanted - rows.length });
  rows.push(...await Array.fromAsync(more));
}
part("tokens");
const dashboards = await collectDashboards(device, model, sae, rows);
part("contexts and neighbours");
const logits = await latentLogits(model, sae, dashboards.latents);
part("logits");
let bytes = 0;
const files = dashboardFiles(dashboards, { sae: {}, model: {}, texts: {} }, ({ latent }) => {
  const { promoted, suppressed, histogram: { low, high, counts } } = logits[latent];
  const pairs = (of: typeof promoted) =>
    of.map(({ text, logit }): [string, number] => [text, Number(logit.toPrecision(5))]);
  return {
    logits: {
      promoted: pairs(promoted),
      suppressed: pairs(suppressed),
      histogram: { low, high, counts: [...counts] },
    },
  };
});
for await (const file of files) {
  await Deno.writeFile(join(folder, file.name), file.bytes);
  bytes += file.bytes.length;
}
part("files");
clearInterval(watch);
const seconds = (performance.now() - started) / 1000;
// t = 4.3e-5 s · tokens · ⌈latents / 128⌉ + 2.9e-7 s · latents · tokens, one thread, the same model.
const peer = 4.3e-5 * tokens * Math.ceil(dictSize / 128) + 2.9e-7 * dictSize * tokens;
const active = Array.from(dashboards.latents).filter((latent) =>
  dashboards.read(latent).actives > 0
);
console.log(
  `${dictSize} latents (${active.length} active), ${rows.length * 127} tokens on ${device.name}: ` +
    `${seconds.toFixed(0)} s, at most ${(memory / 1e6).toFixed(0)} MB resident ` +
    `(${(dashboards.bytes / 1e6).toFixed(0)} MB for contexts), ${
      (bytes / 1e6).toFixed(0)
    } MB written; ` +
    `SAEDashboard by its formula ${peer.toFixed(0)} s: ${
      (peer / seconds).toFixed(0)
    } times as long`,
);
if (options.out === undefined) await Deno.remove(folder, { recursive: true });
