import type { BufferSet, DeviceBuffer } from "./buffer.ts";
import type { Device } from "./device.ts";
import { createProgram, type Program } from "./program.ts";

/** A dry run of a GPU program: its buffers have sizes but no memory. */
export interface Counted {
  /** The program that operations append to. Its stages are never compiled. */
  program: Program;
  /** Bytes of its buffers and of its kernels' uniforms so far. */
  readonly bytes: number;
}

/** Starts a program that counts the bytes it would allocate on a GPU. */
export function countBytes(device: Device): Counted {
  let bytes = 0;
  const count = (label: string, size: number): DeviceBuffer => {
    const whole = Math.max(4, size);
    bytes += whole;
    return { label, size: whole } as GPUBuffer;
  };
  const words = (label: string, length: number) => count(label, 4 * Math.ceil(length));
  const buffers: BufferSet = {
    zeros: words,
    from: (label, data) => words(label, data.length),
    dispatch: (label, dispatches = 1) => words(label, 3 * dispatches),
    uniform: (label, data) => words(label, data.length),
    writtenUniform: words,
    texture(label, width, height) {
      const texture = count(label, 16 * width * height);
      return { ...texture, createView: () => texture } as unknown as GPUTexture;
    },
    [Symbol.dispose]() {},
  };
  const program: Program = {
    ...createProgram(device, buffers),
    kernel({ label, sizes }) {
      const fields = Object.keys(sizes).length;
      if (fields > 0) words(`${label} sizes`, fields);
    },
  };
  return {
    program,
    get bytes() {
      return bytes;
    },
  };
}
