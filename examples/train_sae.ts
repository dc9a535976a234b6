import {
  openDevice,
  openLanguageModel,
  readTexts,
  saveSae,
  streamActivations,
  trainSae,
} from "@saewing/saewing";

using device = await openDevice();
await using model = await openLanguageModel("examples/tiny-gpt2", {
  hook: "blocks.2.hook_resid_pre",
});
const batches = streamActivations(model, readTexts("runs/demo/train.jsonl"), {
  maxTokens: 200_000,
});
const { sae, history } = await trainSae(device, batches, {
  architecture: "batchtopk",
  dictSize: 512,
  k: 16,
});
console.log(`${history.length} steps, loss ${history.at(-1)?.loss}`);
await saveSae(sae, "runs/my-sae");
