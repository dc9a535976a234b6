// Compares the residual stream and the loss of an opened model with PyTorch's.
import { join } from "@std/path";
import type { LanguageModel } from "../../mod.ts";
import { readFloats, streamPoint } from "./exported_models.ts";
import type { Peers, Row } from "./peer.ts";

const LIMIT = 1e-5;

/** What both sides run, and where PyTorch's values are. */
export interface Compared {
  /** Folder with PyTorch's values (`write_stream` in peer_files.py). */
  wanted: string;
  /** Token ids, [rows, length]. */
  tokens: Int32Array;
  rows: number;
  /** Why the limit may be exceeded, for weights of less precision. */
  reason?: string;
}

/** Has PyTorch run the model in folder `plain` on the tokens; its values come into the check's folder. */
export async function runPyTorch(
  { folder, python }: Peers,
  plain: string,
  tokens: Int32Array,
  rows: number,
): Promise<void> {
  const length = tokens.length / rows;
  const inRows = Array.from({ length: rows }, (_, i) => [
    ...tokens.subarray(i * length, (i + 1) * length),
  ]);
  await Deno.writeTextFile(join(folder, "tokens.json"), JSON.stringify(inRows));
  await python("torch_layers.py", [plain, folder]);
}

/**
 * One row for the layers, in which each has its number, and one for the loss. Where activations of 100
 * times the others' size cancel in the last layers (at BOS), a position's own error is larger than the
 * layer's: it is noted, not judged.
 */
export async function* streamRows(
  label: string,
  model: LanguageModel,
  { wanted: folder, tokens, rows, reason }: Compared,
): AsyncGenerator<Row> {
  const errors: number[] = [];
  let worst = 0;
  const found = await model.activationsOf(tokens, rows);
  // The hook that the model is opened at is the first, whichever layer it is of.
  const inOrder = found.map(({ data, cols }, i) => ({ data, cols, hook: model.hooks[i].hook }))
    .sort((a, b) => placeOf(a.hook) - placeOf(b.hook));
  for (const { data, cols, hook } of inOrder) {
    const wanted = await readFloats(join(folder, `${streamPoint(hook)}.f32`));
    errors.push(relativeNorm(data, wanted));
    worst = Math.max(worst, rowError(data, wanted, cols));
  }
  const end = { limit: LIMIT, ...reason !== undefined && { reason } };
  yield {
    check: `${label}: the residual stream at ${errors.length} points`,
    difference: Math.max(...errors),
    ...end,
    note: `relative norm: ${errors.map((error) => error.toExponential(0)).join(" ")}; the worst ` +
      `position ${worst.toExponential(0)}`,
  };
  const wanted = await readFloats(join(folder, "loss.f32"));
  const loss = await model.crossEntropy(tokens, rows);
  yield {
    check: `${label}: loss of ${wanted.length} tokens`,
    difference: relativeNorm(loss, wanted),
    ...end,
    note: `relative; mean ${mean(loss).toFixed(4)} nats, PyTorch's ${mean(wanted).toFixed(4)}`,
  };
}

/** Where `blocks.3.hook_resid_pre` is among the points: at 6; `…_post` is at 7. */
function placeOf(hook: string): number {
  const point = streamPoint(hook)!;
  return 2 * Number(point.replace(/^\D+/, "")) + (point.startsWith("post") ? 1 : 0);
}

/** ‖found − wanted‖ / ‖wanted‖. */
export function relativeNorm(found: ArrayLike<number>, wanted: ArrayLike<number>): number {
  if (found.length !== wanted.length) return Infinity;
  let [apart, size] = [0, 0];
  for (let i = 0; i < wanted.length; i++) {
    apart += (found[i] - wanted[i]) ** 2;
    size += wanted[i] ** 2;
  }
  return Math.sqrt(apart / size);
}

/** The largest {@linkcode relativeNorm} of a row of `width` numbers. */
export function rowError(found: Float32Array, wanted: Float32Array, width: number): number {
  if (found.length !== wanted.length || found.length % width !== 0) return Infinity;
  let most = 0;
  for (let at = 0; at < found.length; at += width) {
    const [row, other] = [found, wanted].map((all) => all.subarray(at, at + width));
    const error = relativeNorm(row, other);
    // Written so that a NaN counts.
    if (!(error <= most)) most = error;
  }
  return most;
}

function mean(numbers: Float32Array): number {
  return numbers.reduce((sum, number) => sum + number, 0) / numbers.length;
}
