import { formatBytes } from "./describe.ts";
import { DeviceError } from "./errors.ts";

const PAGE = 65536;
// Bytes of a cache line: buffers of two threads do not share one, and SIMD loads are aligned.
const LINE = 64;

/** The memory of all threads. It grows, so `buffer` must be read at each use. */
export type Memory = Pick<WebAssembly.Memory, "buffer">;

/** An allocator in a WebAssembly memory, which is shared where that is allowed. */
export interface CpuMemory {
  /** The memory; without WebAssembly (V8's --jitless) a buffer of the same kind. */
  readonly wasm: Memory;
  /** Allocates `bytes` bytes, all zero; returns their offset. */
  allocate(bytes: number): number;
  /** Frees a range of `allocate`. */
  free(offset: number, bytes: number): void;
}

/** Creates an empty memory that can grow to 4 GiB, the limit of 32-bit addresses. */
export function createMemory(): CpuMemory {
  const { wasm, growBy } = "WebAssembly" in globalThis ? wasmMemory() : plainMemory();
  // Free ranges, ascending, no two of them adjacent. The first line is never allocated: 0 is not a valid address.
  const freeRanges: { offset: number; bytes: number }[] = [{ offset: LINE, bytes: PAGE - LINE }];
  let top = PAGE;
  // Memory that was never allocated is zero.
  let touched = LINE;

  const grow = (bytes: number) => {
    const pages = Math.ceil(bytes / PAGE);
    try {
      growBy(pages);
    } catch {
      throw new DeviceError(
        `the CPU device holds ${formatBytes(top)} and cannot take ${formatBytes(bytes)} more: ` +
          "it can address at most 4 GiB",
      );
    }
    release(top, pages * PAGE);
    top += pages * PAGE;
  };
  const release = (offset: number, bytes: number) => {
    let at = freeRanges.findIndex((range) => range.offset > offset);
    if (at < 0) at = freeRanges.length;
    freeRanges.splice(at, 0, { offset, bytes });
    for (const index of [at, at - 1]) {
      const [range, next] = [freeRanges[index], freeRanges[index + 1]];
      if (!range || !next || range.offset + range.bytes !== next.offset) continue;
      range.bytes += next.bytes;
      freeRanges.splice(index + 1, 1);
    }
  };
  const rounded = (bytes: number) => Math.max(1, Math.ceil(bytes / LINE)) * LINE;

  return {
    wasm,
    allocate(bytes) {
      const size = rounded(bytes);
      let at = freeRanges.findIndex((range) => range.bytes >= size);
      if (at < 0) {
        const last = freeRanges.at(-1);
        const atEnd = last && last.offset + last.bytes === top ? last.bytes : 0;
        grow(size - atEnd);
        at = freeRanges.length - 1;
      }
      const range = freeRanges[at];
      const { offset } = range;
      range.offset += size;
      range.bytes -= size;
      if (range.bytes === 0) freeRanges.splice(at, 1);
      if (offset < touched) new Uint8Array(wasm.buffer, offset, size).fill(0);
      touched = Math.max(touched, offset + size);
      return offset;
    },
    free: (offset, bytes) => release(offset, rounded(bytes)),
  };
}

function wasmMemory() {
  const shared = typeof SharedArrayBuffer === "function";
  const wasm = new WebAssembly.Memory({ initial: 1, maximum: 65536, shared });
  return { wasm, growBy: (pages: number) => wasm.grow(pages) };
}

function plainMemory() {
  const buffer = new SharedArrayBuffer(PAGE, { maxByteLength: 65536 * PAGE });
  const growBy = (pages: number) => buffer.grow(buffer.byteLength + pages * PAGE);
  return { wasm: { buffer: buffer as unknown as ArrayBuffer }, growBy };
}
