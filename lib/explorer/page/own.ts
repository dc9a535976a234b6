/// <reference lib="dom" />
// What encodes the reader's own text, in the page's worker.
import { openDevice } from "../../device/open_device.ts";
import { openInference } from "../../sae/inference.ts";
import type { Sae } from "../../sae/sae.ts";
import type { OwnText } from "../site_manifest.ts";
import { getFile, type OpenedModel } from "./page_model.ts";
import { type PageDevice, pageDevice } from "./page_device.ts";

/** Activations of a text's tokens, in sparse rows, BOS left out. */
export interface EncodedText {
  /** Texts of the tokens. */
  tokens: string[];
  /** Entries of token t are from `rowOffsets[t]` to `rowOffsets[t + 1]` − 1. */
  rowOffsets: Uint32Array;
  /** Latent of each entry. */
  latents: Uint32Array;
  /** Activation of each entry. */
  values: Float32Array;
  /** Name of the device that encoded it. */
  device: string;
  /** Whether the text was longer than a row. */
  cut: boolean;
}

/** A model's prefix and an SAE, ready. */
export interface OwnEncoder {
  /** Encodes a text. */
  run(text: string): Promise<EncodedText>;
}

/**
 * Opens the SAE that encodes own text.
 *
 * @param own What its files hold.
 * @param base Address of the site.
 * @throws {Error} A file is missing or damaged, or there is no such device.
 */
export async function openOwn(
  model: OpenedModel,
  own: OwnText,
  base: string,
  kind: PageDevice,
): Promise<OwnEncoder> {
  const weights = await (await getFile(`${own.path}sae.bin`, base)).arrayBuffer();
  const device = await openDevice(pageDevice(kind));
  const inference = openInference(device, readSae(own, weights));
  const run = async (text: string): Promise<EncodedText> => {
    const ids = model.tokenize(text);
    const bos = own.prependBos ? [model.bosToken] : [];
    const kept = ids.subarray(0, own.context - bos.length);
    const tokens = Array.from(kept, model.tokenText);
    const common = { tokens, device: device.name, cut: kept.length < ids.length };
    if (kept.length === 0) {
      const none = { rowOffsets: new Uint32Array(1), latents: new Uint32Array() };
      return { ...common, ...none, values: new Float32Array() };
    }
    const { data, cols } = await model.activations(Int32Array.of(...bos, ...kept), 1);
    // Of the BOS position SAEs know nothing: it is left out in training.
    const rows = data.subarray(bos.length * cols);
    const x = { data: Float32Array.from(rows), rows: kept.length, cols };
    const { rowOffsets, latents, values } = (await inference.run(x)).codes;
    return { ...common, rowOffsets, latents, values };
  };
  // One run after the other: the device takes one at a time.
  let last: Promise<unknown> = Promise.resolve();
  return {
    run(text) {
      const next = last.catch(() => {}).then(() => run(text));
      last = next;
      return next;
    },
  };
}

function readSae({ sae, arrays }: OwnText, weights: ArrayBuffer): Sae {
  const total = arrays.reduce((sum, [, length]) => sum + 4 * length, 0);
  if (weights.byteLength !== total) {
    throw new Error(`sae.bin has ${weights.byteLength} bytes, expected ${total}`);
  }
  let from = 0;
  const read = arrays.map(([name, length]) => {
    const values = new Float32Array(weights, from, length);
    from += 4 * length;
    return [name, values] as const;
  });
  return { ...sae, ...Object.fromEntries(read) } as unknown as Sae;
}
