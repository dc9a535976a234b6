import { denseLanes, LANE_PANEL, LANE_ROWS, LANES } from "../../kernels/dense_lanes.ts";
import { storeRelu } from "../../kernels/epilogues.ts";
import { layPanels, layRows } from "../../kernels/lay_lanes.ts";
import type { DeviceBuffer } from "../device/buffer.ts";
import type { Device } from "../device/device.ts";
import type { Program } from "../device/program.ts";
import type { PreActivations } from "./pre_activations.ts";
import type { Weights } from "./weights.ts";

/** Largest width of a row: 16 rows share 8 uniform buffers of 64 KiB (a kernel may have 12). */
export const MAX_LANE_WIDTH = 8192;

// Largest side of a texture by default, in texels.
const MAX_TEXELS = 8192;

// Number of vec4 in 64 KiB, the largest uniform binding.
const MAX_VECTORS = 4096;

/**
 * `encodeBatch` for software adapters. The encoder changes with every step, so each run copies it into a
 * texture, then the rows part by part: m · d + n · d numbers for n · m · d multiplications. One texture (at
 * most 32 MiB) and one buffer (at most 512 KiB) are reused.
 */
export function encodeInLanes(
  p: Program,
  { input, weights, z }: { input: DeviceBuffer; weights: Weights; z: PreActivations },
): void {
  const d = weights.dModel;
  const room = planRoom(p.device, d, weights.shards, z.blocks);
  const { steps, bindings, perBuffer, width, held } = room;
  const pieces = weights.shards.flatMap((shard) =>
    split(shard.latents, room.latents).map((piece) => ({ shard, ...piece }))
  );
  const parts = z.blocks.flatMap((block) =>
    split(block.rows, room.rows).map((part) => ({ block, ...part }))
  );
  const texture = p.buffers.texture("encoder panels", width, room.height).createView();
  const size = held * 16;
  const buffer = p.buffers.writtenUniform("encode rows", bindings * held * 4);
  const rows = Array.from({ length: bindings }, (_, at) => ({ buffer, offset: at * size, size }));
  const product = denseLanes({ buffers: bindings, vectors: held, epilogue: storeRelu });

  for (const { shard, first, length: latents } of pieces) {
    const across = Math.ceil(latents / LANE_PANEL);
    p.kernel(layPanels(), {
      sizes: { rows: latents, first, d, steps, each: width },
      bind: { source: shard.wEnc, panels: texture },
      workgroups: Math.ceil(across * width * steps / 64),
    });
    for (const { block, first: outRow, length: count } of parts) {
      const last = count - 1;
      const vectors = Math.floor(last / perBuffer) * held + (last % perBuffer + 1) * steps;
      p.kernel(layRows(), {
        sizes: {
          rows: count,
          first: block.first + outRow,
          d,
          steps,
          each: perBuffer,
          vectors: held,
        },
        bind: { source: input, rows: { buffer, size: vectors * 16 } },
        workgroups: Math.ceil(count * steps / 64),
      });
      p.kernel(product, {
        sizes: {
          ...{ rows: count, cols: latents, steps },
          ...{ stride: z.cols, first: shard.first + first, outRow },
        },
        bind: { panels: texture, rows, bias: weights.bEnc, z: block.z },
        workgroups: Math.ceil(count / LANE_ROWS) * across,
      });
    }
  }
}

/** Number of uniform buffers for 16 rows of `steps` vec4; a kernel may have 12, one is for sizes. */
export function laneBuffers(steps: number): number | undefined {
  return [1, 2, 4, 8].find((count) => LANE_ROWS / count * steps <= MAX_VECTORS);
}

// Sizes of the texture and of the uniform buffers, and their capacity of latents and rows.
function planRoom(
  device: Device,
  d: number,
  shards: { latents: number }[],
  blocks: { rows: number }[],
) {
  const steps = Math.ceil(d / 4);
  const bindings = laneBuffers(steps)!;
  const perBuffer = bindings === 1
    ? Math.floor(MAX_VECTORS / steps / LANE_ROWS) * LANE_ROWS
    : LANE_ROWS / bindings;
  const latents = Math.min(
    Math.floor(MAX_TEXELS / steps) * LANE_PANEL,
    Math.max(...shards.map((shard) => shard.latents)),
  );
  const width = Math.min(LANE_PANEL, Math.ceil(latents / LANES) * LANES);
  const height = Math.ceil(latents / width) * steps;
  // Kernels write the rows through a storage binding.
  const written = Math.floor(device.limits.maxStorageBufferBindingSize / (steps * 16));
  const rows = Math.min(
    Math.max(1, Math.min(perBuffer * bindings, written)),
    Math.max(...blocks.map((block) => block.rows)),
  );
  // Powers of two, so that few kernels are compiled for all widths and batches.
  const held = Math.max(16, 2 ** Math.ceil(Math.log2(Math.min(perBuffer, rows) * steps)));
  return { steps, bindings, perBuffer, latents, rows, width, height, held };
}

function split(length: number, most: number): { first: number; length: number }[] {
  return Array.from({ length: Math.ceil(length / most) }, (_, at) => ({
    first: at * most,
    length: Math.min(most, length - at * most),
  }));
}
