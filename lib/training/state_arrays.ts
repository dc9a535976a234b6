import { type BufferPart, readParts, writeBuffer } from "../device/buffer.ts";
import type { Device } from "../device/device.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { namedBuffers, type TrainingState } from "./training_state.ts";

// A reading back waits 10 ms and takes as much GPU memory again: 64 MiB at a time suit both.
const PIECE = 2 ** 24;

/** Arrays of whole numbers; the others are float32. */
const INTEGERS = ["lastActive"];

/** Reads back what outlives a step (waits for the GPU). */
export async function downloadState(
  device: Device,
  state: TrainingState,
): Promise<Checkpoint["arrays"]> {
  const arrays: Checkpoint["arrays"] = {};
  let parts: (BufferPart & { into: ArrayBuffer; at: number })[] = [];
  let held = 0;
  const read = async () => {
    for (const [i, bytes] of (await readParts(device, parts)).entries()) {
      new Uint8Array(parts[i].into).set(new Uint8Array(bytes), parts[i].at * 4);
    }
    parts = [];
    held = 0;
  };
  for (const [name, buffers] of Object.entries(namedBuffers(state))) {
    const into = new ArrayBuffer(buffers.reduce((sum, { size }) => sum + size, 0));
    arrays[name] = INTEGERS.includes(name) ? new Uint32Array(into) : new Float32Array(into);
    let at = 0;
    for (const buffer of buffers) {
      const all = buffer.size / 4;
      for (let start = 0; start < all;) {
        const length = Math.min(all - start, PIECE - held);
        parts.push({ buffer, length, start, into, at });
        start += length;
        at += length;
        held += length;
        if (held === PIECE) await read();
      }
    }
  }
  await read();
  return arrays;
}

/**
 * Copies what `downloadState` read into a state of the same sizes, however its weights are split.
 *
 * @throws {RangeError | TypeError} An array is missing or of another length.
 */
export function uploadState(
  device: Device,
  state: TrainingState,
  arrays: Checkpoint["arrays"],
): void {
  const named = Object.entries(namedBuffers(state));
  for (const [name, buffers] of named) {
    const wanted = buffers.reduce((sum, { size }) => sum + size / 4, 0);
    const found = arrays[name];
    const type = INTEGERS.includes(name) ? Uint32Array : Float32Array;
    if (!(found instanceof type)) {
      throw new TypeError(`the checkpoint has no ${type.name} ${name}`);
    }
    if (found.length !== wanted) {
      throw new RangeError(`${name} of the checkpoint has ${found.length} numbers, not ${wanted}`);
    }
  }
  for (const [name, buffers] of named) {
    let at = 0;
    for (const buffer of buffers) {
      writeBuffer(device, buffer, arrays[name].subarray(at, at += buffer.size / 4));
    }
  }
}
