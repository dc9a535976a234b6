import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { createBuffers, readFloats, writeBuffer } from "../../lib/device/buffer.ts";
import { openCpu } from "../../lib/device/cpu.ts";
import { createMemory } from "../../lib/device/cpu_memory.ts";
import { DeviceError } from "../../lib/device/errors.ts";
import { squareRows } from "../../lib/ops/decode.ts";
import { build, randomNumbers, submit } from "../gpu_helper.ts";
import { checkSelection } from "../ops/screen_helper.ts";

Deno.test("ranges that are taken never overlap, are zero, and merge when they are given back", () => {
  const action = fc.record({
    give: fc.boolean(),
    which: fc.nat(),
    bytes: fc.oneof(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 200_000 })),
  });
  fc.assert(
    fc.property(fc.array(action, { maxLength: 60 }), (actions) => {
      const memory = createMemory();
      const held: { offset: number; bytes: number; mark: number }[] = [];
      const bytesOf = (offset: number, bytes: number) =>
        new Uint8Array(memory.wasm.buffer, offset, bytes);
      const give = (at: number) => {
        const [{ offset, bytes, mark }] = held.splice(at, 1);
        // Nobody else has written there.
        assert(bytesOf(offset, bytes).every((byte) => byte === mark));
        memory.free(offset, bytes);
      };
      for (const [step, { give: gives, which, bytes }] of actions.entries()) {
        if (gives && held.length > 0) {
          give(which % held.length);
          continue;
        }
        const offset = memory.allocate(bytes);
        assert(offset > 0 && offset % 64 === 0);
        assert(bytesOf(offset, bytes).every((byte) => byte === 0));
        for (const other of held) {
          assert(offset + bytes <= other.offset || other.offset + other.bytes <= offset);
        }
        const mark = 1 + step;
        bytesOf(offset, bytes).fill(mark);
        held.push({ offset, bytes, mark });
      }
      while (held.length > 0) give(held.length >> 1);
      // All of it is one range again: what is as large as all of it fits without growing.
      const size = memory.wasm.buffer.byteLength;
      assertEquals(memory.allocate(size - 64), 64);
      assertEquals(memory.wasm.buffer.byteLength, size);
    }),
    { numRuns: 60, seed: 5 },
  );
});

Deno.test("memory grows beyond 2 GiB, and says where it ends", () => {
  const memory = createMemory();
  const gib = 2 ** 30;
  const large = memory.allocate(2.2 * gib);
  const behind = memory.allocate(1000);
  assert(behind >= 2.2 * gib);
  new Float32Array(memory.wasm.buffer, behind, 2).set([1, 2]);
  assertThrows(
    () => memory.allocate(1.9 * gib),
    DeviceError,
    "the CPU device holds 2.2 GiB and cannot take 1.9 GiB more: it can address at most 4 GiB",
  );
  // What was refused takes nothing.
  assert(memory.allocate(gib) > behind);
  memory.free(large, 2.2 * gib);
  assertEquals(memory.allocate(gib), large);
  assertEquals([...new Float32Array(memory.wasm.buffer, behind, 2)], [1, 2]);
});

Deno.test("loops reach numbers behind 2 GiB, plain and by SIMD", async () => {
  for (const options of [{ workers: 1 }, { workers: 0, simd: false }]) {
    using cpu = await openCpu({ ...options, integerProduct: false });
    using buffers = createBuffers(cpu);
    buffers.zeros("never touched", 2.2 * 2 ** 28);
    const x = buffers.from("x", Float32Array.of(3, 4, 1, 2));
    const squares = buffers.zeros("squares", 2);
    assert("offset" in x && x.offset > 2 ** 31);
    submit(cpu, await build(cpu, buffers, (p) => squareRows(p, { rows: 2, cols: 2, x, squares })));
    assertEquals([...await readFloats(cpu, squares, 2)], [25, 5]);
    const [x2, wEnc] = [randomNumbers(1, 20 * 19), randomNumbers(2, 30 * 19)];
    const base = { name: "far", x: x2, wEnc, bEnc: new Float32Array(30), d: 19 };
    await checkSelection([cpu], { ...base, cut: "batch", wanted: 50 });
    const refused = "it can address at most 4 GiB";
    const before = cpu.allocated;
    assertThrows(() => buffers.zeros("too much", 2 ** 29), DeviceError, refused);
    assertEquals(cpu.allocated, before);
    assertThrows(
      () => buffers.zeros("weights", 2 ** 30 + 1),
      DeviceError,
      "weights needs 4.0 GiB in one buffer, this device allows 4.0 GiB",
    );
  }
});

Deno.test("bytes of the CPU are counted against the memory limit, and freed together", async () => {
  using cpu = await openCpu({ workers: 0, integerProduct: false, memoryLimit: 4096 });
  {
    using first = createBuffers(cpu);
    first.zeros("encoder", 256);
    using second = createBuffers(cpu);
    second.from("bias", new Float32Array(512));
    assertEquals(cpu.allocated, 3072);
    const text = "decoder needs 1.0 KiB of memory; 3.0 KiB of the 4.0 KiB allowed are in use";
    assertThrows(() => second.zeros("decoder", 257), DeviceError, text);
    assertEquals(cpu.allocated, 3072);
    second[Symbol.dispose]();
    assertEquals(cpu.allocated, 1024);
    second[Symbol.dispose]();
    assertEquals(cpu.allocated, 1024);
    const again = first.zeros("decoder", 768);
    assertEquals([...await readFloats(cpu, again, 768)], Array(768).fill(0));
    writeBuffer(cpu, again, Float32Array.of(1));
  }
  assertEquals(cpu.allocated, 0);
});
