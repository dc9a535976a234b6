// SmolLM2-135M and Gemma 3 270M, exported three ways, beside PyTorch: each layer, the loss, and speed by turns.
import { median } from "../../bench/peer.ts";
import { inspectModel } from "../../lib/language_model/mod.ts";
import type { LanguageModel } from "../../mod.ts";
import {
  exportedModel,
  type Exporter,
  openAt,
  plainModel,
  readFloats,
  REAL_MODELS,
  rowError,
  textRows,
} from "./exported_models.ts";
import type { Conversation, Peers, Row } from "./peer.ts";

export const title = "Real models, exported three ways, beside PyTorch";

const EXPORTERS: Exporter[] = ["optimum", "builder"];
const [ROWS, LENGTH, ROUNDS] = [4, 128, 5];
const LIMIT = 1e-5;

export async function* check(peers: Peers): AsyncGenerator<Row> {
  const threads = navigator.hardwareConcurrency;
  for (const [name, layers] of Object.entries(REAL_MODELS)) {
    const plain = await plainModel(peers, name);
    await using torch = await peers.start("torch_model.py", [plain, `${threads}`]);
    for (const exporter of EXPORTERS) {
      const label = `${name}, ${exporter}`;
      try {
        const folder = await exportedModel(peers, name, exporter);
        yield* compareLayers(label, folder, torch, peers.folder);
        yield* compareSpeed(label, folder, torch, layers / 2);
      } catch (error) {
        yield { check: label, note: error instanceof Error ? error.message : String(error) };
      }
    }
  }
}

/** Each layer of the residual stream, and the loss. */
async function* compareLayers(
  label: string,
  folder: string,
  torch: Conversation,
  out: string,
): AsyncGenerator<Row> {
  const { hooks, dModel } = await inspectModel(folder);
  let tokens: Int32Array | undefined;
  const errors: number[] = [];
  for (const { hook } of hooks) {
    const [, layer, point] = /^blocks\.(\d+)\.hook_resid_(pre|post)$/.exec(hook) ?? [];
    if (layer === undefined) continue;
    await using model = await openAt(folder, hook);
    if (!tokens) {
      tokens = await textRows(model, ROWS, LENGTH);
      await torch.ask({ do: "layers", tokens: inRows(tokens), out });
      yield await compareLoss(label, model, tokens, out);
    }
    const found = await model.activations(tokens, ROWS);
    errors.push(rowError(found.data, await readFloats(`${out}/${point}${layer}.f32`), dModel));
  }
  yield {
    check: `${label}: each of ${errors.length} points of the residual stream`,
    difference: Math.max(...errors),
    limit: LIMIT,
    note: `relative, the worst row; from the first layer on ${
      errors.map((error) => error.toExponential(0)).join(" ")
    }`,
  };
}

async function compareLoss(
  label: string,
  model: LanguageModel,
  tokens: Int32Array,
  out: string,
): Promise<Row> {
  const wanted = await readFloats(`${out}/loss.f32`);
  const found = await model.crossEntropy(tokens, ROWS);
  return {
    check: `${label}: loss of ${wanted.length} tokens`,
    difference: rowError(found, wanted, wanted.length),
    limit: LIMIT,
    note: `relative; mean loss ${mean(found).toFixed(4)} and ${mean(wanted).toFixed(4)} nats`,
  };
}

/** Tokens a second of half the layers and with the loss: ours, PyTorch's, ours, …; medians. */
async function* compareSpeed(
  label: string,
  folder: string,
  torch: Conversation,
  layers: number,
): AsyncGenerator<Row> {
  await using model = await openAt(folder, `blocks.${layers}.hook_resid_pre`);
  const tokens = await textRows(model, ROWS, LENGTH);
  for (const what of ["prefix", "loss"]) {
    const [ours, theirs]: number[][] = [[], []];
    for (let round = 0; round <= ROUNDS; round++) {
      const started = performance.now();
      if (what === "prefix") await model.activations(tokens, ROWS);
      else await model.crossEntropy(tokens, ROWS);
      const seconds = (performance.now() - started) / 1000;
      const peer = await torch.ask({ do: what, tokens: inRows(tokens), layers }) as number;
      // The first round allocates.
      if (round === 0) continue;
      ours.push(seconds);
      theirs.push(peer);
    }
    const rate = (seconds: number[]) => Math.round(ROWS * LENGTH / median(seconds));
    yield {
      check: `${label}: ${what === "prefix" ? `${layers} layers` : "with the loss"}, tokens/s`,
      measured: `${(median(theirs) / median(ours)).toFixed(2)} ×`,
      note: `${rate(ours)}, PyTorch ${rate(theirs)}; load of the machine ${
        Deno.loadavg()[0].toFixed(1)
      }`,
    };
  }
}

function inRows(tokens: Int32Array): number[][] {
  return Array.from({ length: ROWS }, (_, i) => [...tokens.subarray(i * LENGTH, (i + 1) * LENGTH)]);
}

function mean(numbers: Float32Array): number {
  return numbers.reduce((sum, number) => sum + number, 0) / numbers.length;
}
