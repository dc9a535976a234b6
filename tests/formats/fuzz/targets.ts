import { fromFileUrl, join } from "@std/path";
import { openActivationStore } from "../../../lib/activations/activation_store.ts";
import { writeActivations } from "../../../lib/activations/write_activations.ts";
import { loadCheckpoint, saveCheckpoint } from "../../../lib/formats/checkpoint_folder.ts";
import { loadSae } from "../../../lib/formats/load_sae.ts";
import { saveSae } from "../../../lib/formats/sae_folder.ts";
import { writeSafetensors } from "../../../lib/formats/safetensors.ts";
import { loadStitchedSae, saveStitchedSae } from "../../../lib/formats/stitched_sae_folder.ts";
import { inspectModel } from "../../../lib/language_model/inspect_model.ts";
import { readOnnxGraph } from "../../../lib/language_model/onnx_graph.ts";
import { openLanguageModel } from "../../../lib/language_model/open_language_model.ts";
import { createRandom } from "../../../lib/random.ts";
import type { Sae } from "../../../lib/sae/sae.ts";
import { stitch } from "../../../lib/stitching/stitch.ts";
import { description, numbered } from "../../activations/store_helper.ts";
import { writeMadeModel } from "../../language_model/made_model.ts";
import { makeSae, v6 } from "../sae_helper.ts";
import { makeNpy, makeZip } from "../zip_helper.ts";

/** What was read: numbers by name, and their shapes. */
export interface Found {
  weights: Record<string, ArrayLike<number>>;
  shapes: Record<string, readonly number[]>;
}

/** Files of one format, and what reads them. */
export interface Target {
  name: string;
  /** Whether checksums cover every number: then no damage may change one. */
  checked: boolean;
  /** Whether numbers that are not finite are refused while they are read. */
  finite?: false;
  /** Writes sound files into an empty folder. */
  write(folder: string): Promise<void>;
  /** Reads them, all numbers included. */
  read(folder: string): Promise<Found>;
}

function saeFound({ dModel: d, dictSize: m, wEnc, wDec, bEnc, bDec, threshold }: Sae): Found {
  return {
    weights: { wEnc, wDec, bEnc, bDec, ...threshold ? { threshold } : {} },
    shapes: { wEnc: [m, d], wDec: [m, d], bEnc: [m], bDec: [d] },
  };
}
const readSae = async (folder: string) => saeFound(await loadSae(folder, { offline: true }));

/** Numbers near 1, as weights are: a flipped exponent bit still gives a number. */
function numbers(count: number): Float32Array {
  const random = createRandom(count);
  return Float32Array.from({ length: count }, () => random.uniform() - 0.5);
}

async function writeTheirs(folder: string): Promise<void> {
  await Deno.writeTextFile(
    join(folder, "cfg.json"),
    JSON.stringify({ ...v6, architecture: "jumprelu", d_in: 3, d_sae: 5 }),
  );
  await writeSafetensors(join(folder, "sae_weights.safetensors"), {
    W_enc: { shape: [3, 5], data: numbers(15) },
    W_dec: { shape: [5, 3], data: numbers(15).reverse() },
    b_enc: { shape: [5], data: numbers(5) },
    b_dec: { shape: [3], data: numbers(3) },
    threshold: { shape: [5], data: numbers(5).map(Math.abs) },
  });
}

async function writeSparsify(folder: string): Promise<void> {
  const cfg = { activation: "topk", d_in: 3, num_latents: 5, k: 2 };
  await Deno.writeTextFile(join(folder, "cfg.json"), JSON.stringify(cfg));
  await writeSafetensors(join(folder, "sae.safetensors"), {
    "encoder.weight": { shape: [5, 3], data: numbers(15) },
    "encoder.bias": { shape: [5], data: numbers(5) },
    W_dec: { shape: [5, 3], data: numbers(15).reverse() },
    b_dec: { shape: [3], data: numbers(3) },
  });
}

const gemma = (method: number) => async (folder: string) => {
  const shapes = { W_enc: [3, 5], W_dec: [5, 3], b_enc: [5], b_dec: [3], threshold: [5] };
  const entries = Object.entries(shapes).map(([name, shape]) => ({
    name: `${name}.npy`,
    data: makeNpy(shape, numbers(shape.reduce((a, b) => a * b)).map(Math.abs)),
    method,
  }));
  await Deno.writeFile(join(folder, "params.npz"), await makeZip(entries));
};

/** Files that torch and safetensors wrote. */
const published = (path: string) => async (folder: string) => {
  const from = fromFileUrl(new URL(`../../fixtures/published/${path}`, import.meta.url));
  for await (const { name } of Deno.readDir(from)) {
    await Deno.copyFile(join(from, name), join(folder, name));
  }
};

async function writeStitched(folder: string): Promise<void> {
  const [small, large] = [makeSae("topk", 3, 4, 1), makeSae("topk", 3, 5, 2)];
  await saveStitchedSae(stitch(small, large, { small: [0, 2], large: [1, 4] }), folder);
}

async function readStitched(folder: string): Promise<Found> {
  const { small, large, smallLatents, largeLatents } = await loadStitchedSae(folder);
  const [one, two] = [saeFound(small), saeFound(large)];
  const named = (prefix: string, found: Record<string, never> | object) =>
    Object.entries(found).map(([name, value]) => [`${prefix}.${name}`, value]);
  return {
    weights: {
      ...Object.fromEntries([...named("small", one.weights), ...named("large", two.weights)]),
      smallLatents: Array.from(smallLatents),
      largeLatents: Array.from(largeLatents),
    },
    shapes: Object.fromEntries([...named("small", one.shapes), ...named("large", two.shapes)]),
  };
}

async function writeCheckpoint(folder: string): Promise<void> {
  const record = { step: 1, samples: 4, loss: 1 / 3, reconstructionLoss: 0.1, auxiliaryLoss: 0 };
  await saveCheckpoint(
    {
      steps: 1,
      samples: 4,
      lastBatch: 7,
      settings: { architecture: "topk", learningRate: 1 / 3 },
      sae: {
        ...makeSae("topk"),
        wEnc: undefined,
        wDec: undefined,
        bEnc: undefined,
        bDec: undefined,
      },
      history: [{ ...record, sparsityLoss: 0, l0: 2, deadLatents: 1, smallestKept: 0.5 }],
      arrays: {
        wEnc: numbers(15),
        "wEnc.second": numbers(15),
        lastActive: Uint32Array.of(1, 2, 3),
      },
    } as unknown as Parameters<typeof saveCheckpoint>[0],
    folder,
  );
}

async function readCheckpoint(folder: string): Promise<Found> {
  const found = await loadCheckpoint(folder);
  if (!found) throw new Error(`${folder} has no checkpoint`);
  const { arrays, history, steps, samples, lastBatch } = found;
  const shapes = Object.entries(arrays).map(([name, { length }]) => [name, [length]]);
  return {
    weights: { ...arrays, plain: [steps, samples, lastBatch], history: Object.values(history[0]) },
    shapes: Object.fromEntries(shapes),
  };
}

async function writeStore(folder: string): Promise<void> {
  // 20 rows of 2 numbers, blocks of 4 rows, shards of 8.
  await writeActivations(numbered([20]), folder, {
    ...description,
    blockRows: 4,
    rowsPerShard: 8,
  });
}

async function readStore(folder: string): Promise<Found> {
  const store = await openActivationStore(folder);
  const data: number[] = [];
  for await (const batch of store.batches({ batchSize: 20, epochs: 1, seed: 1 })) {
    data.push(...batch.data);
  }
  // The order is the seed's and the blocks'; that no row is lost, changed or made up is the point.
  return {
    weights: { data: data.sort((a, b) => a - b) },
    shapes: { data: [store.rows, store.dModel] },
  };
}

function writeOnnx(folder: string): Promise<void> {
  const kind = { type: "FLOAT", parallel: false, extraInputs: false } as const;
  // 1,600 bytes each: weights of more than 1 KiB are references into the file.
  writeMadeModel(folder, { opset: 17, ...kind, vocabSize: 100 });
  return Promise.resolve();
}

async function readOnnx(folder: string): Promise<Found> {
  await inspectModel(folder, { offline: true });
  // A damaged graph is run too: ONNX Runtime may refuse it, the process must live.
  const hook = "blocks.1.hook_resid_pre";
  await using model = await openLanguageModel(folder, { hook, threads: 1, offline: true });
  const { rows, cols } = await model.activations(Int32Array.of(1, 2, 3), 1);
  await model.crossEntropy(Int32Array.of(1, 2, 3), 1);
  const path = join(folder, "onnx/model.onnx");
  const file = await Deno.readFile(path);
  const found: Found = { weights: {}, shapes: { activations: [rows, cols] } };
  for (const { name, dims, externalData } of readOnnxGraph(path).graph.initializer) {
    const entry = (key: string) => Number(externalData.find((one) => one.key === key)!.value);
    found.shapes[name] = dims.map(Number);
    const bytes = file.slice(entry("offset"), entry("offset") + entry("length"));
    found.weights[name] = new Float32Array(bytes.buffer);
  }
  return found;
}

/** All formats. */
export const targets: Target[] = [
  {
    name: "saewing's SAE",
    checked: true,
    write: (folder) => saveSae(makeSae("batchtopk"), folder),
    read: readSae,
  },
  { name: "SAELens's SAE", checked: false, write: writeTheirs, read: readSae },
  { name: "sparsify's SAE", checked: false, write: writeSparsify, read: readSae },
  { name: "Gemma Scope's SAE, stored", checked: true, write: gemma(0), read: readSae },
  { name: "Gemma Scope's SAE, deflated", checked: true, write: gemma(8), read: readSae },
  {
    name: "dictionary_learning's SAE",
    checked: true,
    write: published(
      "canrager/lm_sae/pythia70m_sweep_standard_ctx128_0712/resid_post_layer_3/trainer_10",
    ),
    read: readSae,
  },
  {
    name: "an SAE of torch.save before 1.6",
    checked: false,
    write: published("Goodfire/Llama-3.1-8B-Instruct-SAE-l19"),
    read: readSae,
  },
  {
    name: "Gemma Scope 2's SAE",
    checked: false,
    write: published("google/gemma-scope-2-270m-pt/resid_post/layer_12_width_16k_l0_small"),
    read: readSae,
  },
  { name: "stitched SAE", checked: true, write: writeStitched, read: readStitched },
  { name: "checkpoint", checked: true, write: writeCheckpoint, read: readCheckpoint },
  { name: "store", checked: true, write: writeStore, read: readStore },
  // Weights of language models are ONNX Runtime's to read; activations are checked where they are used.
  { name: "ONNX graph", checked: false, finite: false, write: writeOnnx, read: readOnnx },
];
