import { join } from "@std/path";
import { writeSafetensors } from "../../../lib/formats/safetensors.ts";
import { v6, writeTheirs } from "../sae_helper.ts";
import type { Malformed } from "./malformed.ts";

const flat = { d_in: 2, d_sae: 3, hook_point: "blocks.8.hook_resid_pre" };
const marker = (saewing: unknown) => ({ ...v6, metadata: { saewing } });

const saeLens: [what: string, cfg: unknown][] = [
  ["empty", ""],
  ["Python's NaN", '{"d_in": 2, "d_sae": 3, "lr": NaN}'],
  ["a list", []],
  ["a million brackets", "[".repeat(1e6)],
  ["10,000 levels deep", `{"d_in": 2, "metadata": ${"[".repeat(1e4)}${"]".repeat(1e4)}}`],
  ["a key twice", JSON.stringify(v6).replace("{", '{"d_in": 3, ')],
  ["a key twice, spaces before its colon", `{"d_in": 3, "d_in"${" ".repeat(200)}: 2}`],
  ["no width", { ...v6, d_in: undefined }],
  ["width is a text", { ...v6, d_in: "2" }],
  ["dictionary of 1e300", { ...v6, d_sae: 1e300 }],
  ["dictionary of 2^40", { ...v6, d_sae: 2 ** 40 }],
  ["gated", { ...v6, architecture: "gated" }],
  ["transcoder", { ...v6, architecture: "skip_transcoder" }],
  ["transcoder by its output", { ...v6, d_out: 5 }],
  ["transcoder before version 6", { ...flat, hook_name_out: "blocks.8.hook_mlp_out" }],
  ["unknown architecture", { ...v6, architecture: "crosscoder" }],
  ["inherited name", { ...v6, architecture: "constructor" }],
  ["topk without k", { ...v6, architecture: "topk" }],
  ["topk of more than there are", { ...v6, architecture: "topk", k: 4 }],
  ["topk of a fraction", { ...v6, architecture: "topk", k: 1.5 }],
  ["topk marker missing, k there", { ...flat, activation_fn_kwargs: { k: 2 } }],
  ["topk marker missing, named so", { ...flat, release: "sae_bench_pythia70m_sweep_topk_ctx128" }],
  ["OpenAI's topk, read as ReLU", { ...flat, neuronpedia_id: "gpt2-small/8-res_post_32k-oai" }],
  ["tanh-relu", { ...flat, activation_fn_str: "tanh-relu" }],
  ["unknown normalisation", { ...v6, normalize_activations: "twice" }],
  ["flag is a text", { ...v6, apply_b_dec_to_input: "yes" }],
  ["jumprelu without threshold", { ...v6, architecture: "jumprelu" }],
  ["written by a newer saewing", marker({ version: 2 })],
  ["note of another architecture", marker({ version: 1, architecture: "topk", k: 1 })],
];

const sparsify: [what: string, cfg: Record<string, unknown>, more?: Record<string, number[]>][] = [
  ["groupmax", { activation: "groupmax" }],
  ["transcoder", { transcode: true }],
  ["skip connection", { skip_connection: true }],
  ["skip connection in the weights", {}, { W_skip: [2, 2] }],
  ["k missing", { k: undefined }],
  ["other sizes", { num_latents: 4 }],
  ["width 0", { d_in: 0 }],
];

const shapes = { "encoder.weight": [3, 2], "encoder.bias": [3], W_dec: [3, 2], b_dec: [2] };

const pickles: [what: string, name: string, bytes: number[]][] = [
  ["dictionary_learning", "ae.pt", [0x50, 0x4b, 3, 4]],
  ["by its name", "sae.bin", [0]],
  ["called npz", "params.npz", [0x80, 4, 0x95]],
  ["called safetensors", "sae_weights.safetensors", [0x80, 2, 0x63]],
];

/** Configs of SAELens and sparsify, PyTorch's pickles, folders of nothing. */
export const configs: Malformed[] = [
  ...saeLens.map(([what, cfg]): Malformed => ({
    format: "SAELens config",
    what,
    make: async (folder) => await rename(await writeTheirs(cfg), folder),
  })),
  ...sparsify.map(([what, cfg, more]): Malformed => ({
    format: "sparsify",
    what,
    async make(folder) {
      const full = { activation: "topk", d_in: 2, num_latents: 3, k: 2, ...cfg };
      await Deno.writeTextFile(join(folder, "cfg.json"), JSON.stringify(full));
      const tensors = Object.entries({ ...shapes, ...more }).map(([name, shape]) => [
        name,
        { shape, data: new Float32Array(shape.reduce((a, b) => a * b, 1)) },
      ]);
      await writeSafetensors(join(folder, "sae.safetensors"), Object.fromEntries(tensors));
      return folder;
    },
  })),
  ...pickles.map(([what, name, bytes]): Malformed => ({
    format: "pickle",
    what,
    async make(folder) {
      await Deno.writeFile(join(folder, name), new Uint8Array(bytes));
      return join(folder, name);
    },
  })),
  { format: "folder", what: "nothing there", make: (folder) => Promise.resolve(join(folder, "x")) },
  { format: "folder", what: "empty", make: (folder) => Promise.resolve(folder) },
  {
    format: "folder",
    what: "a config alone",
    async make(folder) {
      await Deno.writeTextFile(join(folder, "cfg.json"), JSON.stringify(v6));
      return folder;
    },
  },
  {
    format: "folder",
    what: "weights are a folder",
    async make(folder) {
      await Deno.writeTextFile(join(folder, "cfg.json"), JSON.stringify(v6));
      await Deno.mkdir(join(folder, "sae_weights.safetensors"));
      return folder;
    },
  },
];

async function rename(from: string, to: string): Promise<string> {
  await Deno.remove(to);
  await Deno.rename(from, to);
  return to;
}
