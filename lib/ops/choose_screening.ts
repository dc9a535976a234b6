import { appendCandidates } from "../../kernels/append_candidates.ts";
import { denseTiled, type Factors, TILE, vectorsOf } from "../../kernels/dense_tiled.ts";
import { createBuffers, readIntegers } from "../device/buffer.ts";
import { isCpu } from "../device/cpu.ts";
import type { Device } from "../device/device.ts";
import { DeviceError } from "../device/errors.ts";
import type { Gpu } from "../device/gpu.ts";
import { createProgram, submit } from "../device/program.ts";
import { screeningBound } from "./round_on_gpu.ts";

/**
 * The number format of screening on this GPU: the chosen one, else the first that is available.
 *
 * @throws {DeviceError} The device does not support the chosen format.
 */
export function screeningOf(gpu: Gpu): Factors {
  const { screening } = gpu;
  if (screening && !available(gpu).includes(screening)) {
    throw new DeviceError(
      `screening is ${screening}, expected one of ${available(gpu).join(", ")} on this device`,
    );
  }
  return screening ?? available(gpu)[0];
}

/** The formats that the device supports, the one that is usually fastest first. */
function available({ features }: Gpu): Factors[] {
  const language = (globalThis.navigator?.gpu as { wgslLanguageFeatures?: ReadonlySet<string> })
    ?.wgslLanguageFeatures;
  return [
    ...(language?.has("packed_4x8_integer_dot_product") ? ["int8" as const] : []),
    ...(features.has("shader-f16") ? ["float16" as const] : []),
    "float32",
  ];
}

/**
 * Chooses the number format of screening, once per device, by timing the products. Nothing is measured
 * with less than 32 MiB of free memory, nor on software adapters, where 8 bits were fastest (llvmpipe,
 * Mesa 22.3, (512, 768, 2048): 0.12 s, float16 0.38 s, float32 0.19 s).
 */
export async function chooseScreening(device: Device): Promise<void> {
  if (isCpu(device)) return;
  const gpu = device as Gpu;
  if (gpu.screening) return;
  const kinds = available(gpu);
  const scarce = gpu.memoryLimit - gpu.allocated < 2 ** 25;
  if (gpu.software || scarce || kinds.length === 1) {
    gpu.screening = kinds[0];
    return;
  }
  let best = Infinity;
  for (const factors of kinds) {
    const seconds = await timeProduct(gpu, factors);
    if (seconds < best) [best, gpu.screening] = [seconds, factors];
  }
}

// Rows, columns and width of the product that is timed: 512 workgroups.
const [ROWS, COLS, WIDTH] = [2048, 4096, 512];

/** Seconds of one product of zeros, in which nothing passes the cut. */
async function timeProduct(gpu: Gpu, factors: Factors): Promise<number> {
  using buffers = createBuffers(gpu);
  const vectors = vectorsOf(factors, WIDTH);
  const words = vectors * (factors === "float16" ? 2 : 4);
  const state = buffers.zeros("state", 4);
  const p = createProgram(gpu, buffers);
  const epilogue = appendCandidates({ cutOf: "batch", factors });
  p.kernel(denseTiled({ d: WIDTH, factors, vectors: "sizes.vectors", epilogue }), {
    sizes: {
      ...{ rows: ROWS, cols: COLS, firstRow: 0, vectors, first: 0, capacity: 1 },
      ...screeningBound(factors, WIDTH),
    },
    bind: {
      x: buffers.zeros("x", ROWS * words),
      w: buffers.zeros("w", COLS * words),
      rowFacts: buffers.zeros("norms of rows", 4 * ROWS),
      latentFacts: buffers.zeros("norms of latents", 4 * COLS),
      cuts: buffers.from("cut", Float32Array.of(1)),
      state,
      pairs: buffers.zeros("candidates", 2),
    },
    workgroups: ROWS * COLS / TILE ** 2,
  });
  const [product] = await p.stages();
  const time = async (times: number) => {
    const before = performance.now();
    submit(gpu, Array(times).fill(product));
    await readIntegers(gpu, state, 1);
    return (performance.now() - before) / 1000;
  };
  // The first run compiles. Reading back takes 10 ms for all formats.
  await time(1);
  const once = await time(1);
  return once > 0.1 ? once : await time(32) / 32;
}
