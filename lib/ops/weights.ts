import { type BufferSet, type DeviceBuffer, readFloats } from "../device/buffer.ts";
import { isCpu } from "../device/cpu.ts";
import type { Device } from "../device/device.ts";

/** A range of latents whose encoder rows and decoder rows are in one buffer each. */
export interface Shard {
  /** First latent. */
  first: number;
  /** Number of latents. */
  latents: number;
  /** Encoder rows, [latents, d]. */
  wEnc: DeviceBuffer;
  /** Decoder rows, [latents, d]. */
  wDec: DeviceBuffer;
}

/** The weights of an SAE on a device, split by latents so that each buffer can be bound. */
export interface Weights {
  /** Activation width d. */
  dModel: number;
  /** Number of latents m. */
  dictSize: number;
  /** The shards, in order of latent. */
  shards: Shard[];
  /** Encoder bias, [m]. */
  bEnc: DeviceBuffer;
  /** Decoder bias, [d]. */
  bDec: DeviceBuffer;
}

/** An SAE's weights in memory, latent-major: row i of wEnc and wDec belongs to latent i. */
export interface PlainWeights {
  /** Activation width d. */
  dModel: number;
  /** Number of latents m. */
  dictSize: number;
  /** Encoder, [m, d]. */
  wEnc: Float32Array;
  /** Encoder bias, [m]. */
  bEnc: Float32Array;
  /** Decoder, [m, d]. */
  wDec: Float32Array;
  /** Decoder bias, [d]. */
  bDec: Float32Array;
}

/**
 * Splits `length` rows of `width` 32-bit numbers into ranges that fit into one binding each.
 *
 * @throws {RangeError} One row does not fit.
 */
export function splitRows(
  device: Device,
  length: number,
  width: number,
): { first: number; rows: number }[] {
  const bytes = Math.min(device.limits.maxStorageBufferBindingSize, device.limits.maxBufferSize);
  const most = Math.floor(bytes / (4 * width));
  if (most < 1) {
    throw new RangeError(
      `one row of ${width} numbers needs ${4 * width} bytes, this device binds ${bytes}`,
    );
  }
  const ranges = [];
  for (let first = 0; first < length; first += most) {
    ranges.push({ first, rows: Math.min(most, length - first) });
  }
  return ranges;
}

/** Copies an SAE's weights to a device. */
export function uploadWeights(device: Device, buffers: BufferSet, sae: PlainWeights): Weights {
  const { dModel: d, dictSize: m } = sae;
  const part = (w: Float32Array, first: number, rows: number) =>
    w.subarray(first * d, (first + rows) * d);
  return {
    dModel: d,
    dictSize: m,
    // The CPU's loops need all latents in one buffer.
    shards: (isCpu(device) ? [{ first: 0, rows: m }] : splitRows(device, m, d)).map((
      { first, rows },
    ) => ({
      first,
      latents: rows,
      wEnc: buffers.from("encoder", part(sae.wEnc, first, rows)),
      wDec: buffers.from("decoder", part(sae.wDec, first, rows)),
    })),
    bEnc: buffers.from("encoder bias", sae.bEnc),
    bDec: buffers.from("decoder bias", sae.bDec),
  };
}

/** Reads weights back from a device. */
export async function downloadWeights(
  device: Device,
  weights: Weights,
): Promise<Omit<PlainWeights, "dModel" | "dictSize">> {
  const { dModel: d, dictSize: m, shards } = weights;
  const wEnc = new Float32Array(m * d);
  const wDec = new Float32Array(m * d);
  for (const shard of shards) {
    wEnc.set(await readFloats(device, shard.wEnc, shard.latents * d), shard.first * d);
    wDec.set(await readFloats(device, shard.wDec, shard.latents * d), shard.first * d);
  }
  return {
    wEnc,
    bEnc: await readFloats(device, weights.bEnc, m),
    wDec,
    bDec: await readFloats(device, weights.bDec, d),
  };
}
