// Compares the residual stream and the loss of an opened model with PyTorch's.
import { join } from "@std/path";
import type { LanguageModel } from "../../mod.ts";
import { readFloats, streamPoint } from "./exported_models.ts";
import type { Peers, Row } from "./peer.ts";

const LIMIT = 1e-5;

/** What is run on both sides. */
export interface Compared {
  peers: Peers;
  /** Folder of the PyTorch model. */
  plain: string;
  /** Token ids, [rows, length]. */
  tokens: Int32Array;
  rows: number;
  /** Why the limit may be exceeded, for quantised weights. */
  reason?: string;
}

/** One row for the layers, in which each has its number, and one for the loss. */
export async function* compareWithPyTorch(
  label: string,
  model: LanguageModel,
  { peers, plain, tokens, rows, reason }: Compared,
): AsyncGenerator<Row> {
  const length = tokens.length / rows;
  const inRows = Array.from({ length: rows }, (_, i) => [
    ...tokens.subarray(i * length, (i + 1) * length),
  ]);
  await Deno.writeTextFile(join(peers.folder, "tokens.json"), JSON.stringify(inRows));
  await peers.python("torch_layers.py", [plain, peers.folder]);
  const errors: number[] = [];
  const found = await model.activationsOf(tokens, rows);
  for (const [i, { data, cols }] of found.entries()) {
    const wanted = await readFloats(join(peers.folder, `${streamPoint(model.hooks[i].hook)}.f32`));
    errors.push(rowError(data, wanted, cols));
  }
  const end = { limit: LIMIT, ...reason !== undefined && { reason } };
  yield {
    check: `${label}: the residual stream at ${errors.length} points`,
    difference: Math.max(...errors),
    ...end,
    note: `relative, the worst position; ${
      errors.map((error) => error.toExponential(0)).join(" ")
    }`,
  };
  const wanted = await readFloats(join(peers.folder, "loss.f32"));
  const loss = await model.crossEntropy(tokens, rows);
  yield {
    check: `${label}: loss of ${wanted.length} tokens`,
    difference: rowError(loss, wanted, wanted.length),
    ...end,
    note: `relative; mean ${mean(loss).toFixed(4)} nats, PyTorch's ${mean(wanted).toFixed(4)}`,
  };
}

/** The largest ‖found − wanted‖ / ‖wanted‖ of a row. */
export function rowError(found: Float32Array, wanted: Float32Array, width: number): number {
  if (found.length !== wanted.length || found.length % width !== 0) return Infinity;
  let most = 0;
  for (let at = 0; at < found.length; at += width) {
    let [apart, size] = [0, 0];
    for (let i = at; i < at + width; i++) {
      apart += (found[i] - wanted[i]) ** 2;
      size += wanted[i] ** 2;
    }
    const error = Math.sqrt(apart / size);
    // Written so that a NaN counts.
    if (!(error <= most)) most = error;
  }
  return most;
}

function mean(numbers: Float32Array): number {
  return numbers.reduce((sum, number) => sum + number, 0) / numbers.length;
}
