// Trains on a site's model and text in Deno, with the page's own code and build of ONNX Runtime; prints the losses.
// A process of its own, without a lock file: modules of addresses would be written into it.
import { openPageModel } from "../../lib/explorer/page/page_model.ts";
import { trainingBatches } from "../../lib/explorer/page/training.ts";
import { openDevice, trainSae } from "../../mod.ts";

const [base, settings] = Deno.args;
const get = async (name: string) => await (await fetch(base + name)).json();
const { models: [model] } = await get("site.json");
const opened = await openPageModel(model, base);
const { seed, ...sizes } = JSON.parse(settings);
const { batches } = trainingBatches(opened, await get(`${model.path}texts.json`), seed);
using device = await openDevice({ device: "cpu", workers: 0, integerProduct: false });
const options = { architecture: "batchtopk", seed, ...sizes } as const;
const { history } = await trainSae(device, batches, options);
console.log(JSON.stringify(history.map(({ loss }) => loss)));
