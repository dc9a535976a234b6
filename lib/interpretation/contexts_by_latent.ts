import type { Device } from "../device/device.ts";
import type { ReadableModel } from "./encode_rows.ts";
import type { Sae } from "../sae/sae.ts";
import { collectTopExamples, type LatentExamples, type TopExampleOptions } from "./top_examples.ts";

/**
 * Where latents are most active, by their numbers: {@linkcode collectTopExamples} of all latents, three
 * contexts each unless options say otherwise.
 */
export async function contextsByLatent(
  device: Device,
  model: ReadableModel,
  sae: Sae,
  tokenRows: AsyncIterable<Int32Array> | Iterable<Int32Array>,
  options: TopExampleOptions = {},
): Promise<Map<number, LatentExamples>> {
  const latents = Array.from({ length: sae.dictSize }, (_, latent) => latent);
  const found = await collectTopExamples(device, model, sae, tokenRows, {
    ...{ latents, examples: 3 },
    ...options,
  });
  return new Map(found.map((latent) => [latent.latent, latent]));
}
