import * as saewing from "@saewing/saewing";

using device = await saewing.openDevice();
const hook = "blocks.2.hook_resid_pre";
await using model = await saewing.openLanguageModel("examples/tiny-gpt2", { hook });
const texts = saewing.readTexts("runs/demo/train.jsonl");
const batches = saewing.streamActivations(model, texts, { batchSize: 512 });
const options = { architecture: "batchtopk", dictSize: 512, k: 16, steps: 50 } as const;
const { sae, history } = await saewing.trainSae(device, batches, options);
console.log(`${history.length} steps, loss ${history.at(-1)?.loss}`);
await saewing.saveSae(sae, "runs/my-sae");
