import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { createBuffers, readFloats, writeBuffer } from "../../lib/device/buffer.ts";
import { openCpu } from "../../lib/device/cpu.ts";
import { openDevice } from "../../lib/device/open_device.ts";
import type { CpuStage } from "../../lib/device/cpu_stage.ts";
import { DeviceError } from "../../lib/device/errors.ts";
import { createProgram, f32, submit, u32 } from "../../lib/device/program.ts";
import { scaleNumbers } from "../../lib/ops/clip_gradients.ts";
import { sumSquares } from "../../lib/ops/decode.ts";
import { squareRows } from "../../lib/ops/decode.ts";
import { howMany, someOf } from "../depth.ts";
import { build } from "../gpu_helper.ts";

const GONE = "the device was used after it was disposed of";
const PLAIN = { integerProduct: false } as const;

/** Fails where `promise` does not settle in time: what hangs is to fail here, not to stop all tests. */
async function settles<T>(promise: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout>;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error("it hangs")), 30_000);
  });
  return await Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

Deno.test("openCpu: options out of range are refused", async () => {
  for (const workers of [-1, 1.5, 257, NaN]) {
    const text = `workers is ${workers}, expected a whole number from 0 to 256`;
    await assertRejects(() => openDevice({ device: "cpu", workers }), RangeError, text);
  }
  await assertRejects(
    () => openDevice({ device: "cpu", limits: { maxBufferSize: 0.5 } }),
    RangeError,
    "limits.maxBufferSize is 0.5, expected a whole number above 0",
  );
  await assertRejects(
    () => openDevice({ device: "fast" as "cpu" }),
    DeviceError,
    `the device is "fast", expected "auto", "gpu", "cpu" or "software"`,
  );
});

Deno.test("openCpu: a module without a product of 8-bit matrices is an error, not a hang", async () => {
  for (const workers of [0, 2]) {
    const integerProduct = "data:text/javascript,export const other = 1;";
    await assertRejects(() => settles(openCpu({ workers, integerProduct })), Error);
  }
});

Deno.test("a loop that fails in one worker fails the run, and is told by all that follows", async () => {
  for (const workers of [0, 1, 2, 3]) {
    using cpu = await openCpu({ ...PLAIN, workers });
    using buffers = createBuffers(cpu);
    const x = buffers.from("x", Float32Array.of(1, 2, 3, 4));
    const squares = buffers.zeros("squares", 2);
    const stages = await build(cpu, buffers, (p) => {
      squareRows(p, { rows: 2, cols: 2, x, squares });
      // One piece of work: one of the threads has it.
      p.loop(sumSquares, { x: undefined as never, squares: f32(squares), cols: 2 }, 1);
      squareRows(p, { rows: 2, cols: 2, x, squares });
    });
    submit(cpu, stages);
    await assertRejects(() => settles(readFloats(cpu, squares, 2)), TypeError, "undefined");
    assertThrows(() => submit(cpu, stages), TypeError);
    assertThrows(() => writeBuffer(cpu, x, Float32Array.of(1)), TypeError);
    assertEquals(cpu.busy, false);
  }
});

Deno.test("a loop that fails while stages are repeated fails the run, whenever it does", async () => {
  // The flag never says that it is enough: without the failure this would go on for ever.
  for (let run = 0; run < howMany(4, 12); run++) {
    using cpu = await openCpu({ ...PLAIN, workers: 3 });
    using buffers = createBuffers(cpu);
    const x = buffers.from("x", new Float32Array(6).fill(1));
    const flag = buffers.zeros("flag", 1);
    const p = createProgram(cpu, buffers);
    const mark = p.mark();
    if (run % 2) p.loop(scaleNumbers, { x: undefined as never, factor: f32(x) }, 3, 1);
    p.loop(scaleNumbers, { x: f32(x), factor: f32(x) }, 6, 1);
    if (run % 2 === 0) p.loop(scaleNumbers, { x: undefined as never, factor: f32(x) }, 1, 1);
    p.repeat(mark, u32(flag));
    submit(cpu, await p.stages());
    await assertRejects(() => settles(readFloats(cpu, x, 1)), TypeError, "undefined");
  }
});

Deno.test("a stage whose loop workers do not know fails the run", async () => {
  using cpu = await openCpu({ ...PLAIN, workers: 2 });
  using buffers = createBuffers(cpu);
  const x = buffers.zeros("x", 1);
  const stages = await build(cpu, buffers, (p) => p.loop(function unheardOf() {}, {}, 1));
  submit(cpu, stages);
  await assertRejects(() => settles(readFloats(cpu, x, 1)), Error, "there is no loop unheardOf");
});

Deno.test("a CPU that is disposed of while work waits ends it, and who waits is told", async () => {
  for (const workers of [0, 2]) {
    const cpu = await openCpu({ ...PLAIN, workers });
    const buffers = createBuffers(cpu);
    const length = 1 << 23;
    const x = buffers.from("x", new Float32Array(length).fill(1));
    const squares = buffers.zeros("squares", 1);
    const stages = await build(
      cpu,
      buffers,
      (p) => squareRows(p, { rows: 1, cols: length, x, squares }),
    );
    for (let run = 0; run < 200; run++) submit(cpu, stages);
    assert(cpu.busy);
    const reading = assertRejects(() => settles(readFloats(cpu, squares, 1)), DeviceError, GONE);
    writeBuffer(cpu, x, new Float32Array(length));
    buffers[Symbol.dispose]();
    cpu[Symbol.dispose]();
    await reading;
    await settles(cpu.settled());
    assertEquals([cpu.busy, cpu.allocated], [false, 0]);
    // Once more is no error.
    cpu[Symbol.dispose]();
  }
});

Deno.test("a CPU that was disposed of says so", async () => {
  for (const workers of [0, 2]) {
    const cpu = await openCpu({ ...PLAIN, workers });
    const buffers = createBuffers(cpu);
    const buffer = buffers.zeros("numbers", 4);
    cpu[Symbol.dispose]();
    assertThrows(() => buffers.zeros("more", 4), DeviceError, GONE);
    assertThrows(() => writeBuffer(cpu, buffer, Uint32Array.of(1)), DeviceError, GONE);
    assertThrows(() => submit(cpu, []), DeviceError, GONE);
    await assertRejects(() => readFloats(cpu, buffer, 1), DeviceError, GONE);
    buffers[Symbol.dispose]();
  }
});

Deno.test("buffers that are freed while work waits serve it first", async () => {
  using cpu = await openCpu({ ...PLAIN, workers: 2 });
  using results = createBuffers(cpu);
  const squares = results.zeros("squares", 1);
  for (let run = 1; run <= 5; run++) {
    const buffers = createBuffers(cpu);
    const x = buffers.from("x", new Float32Array(5000).fill(run));
    const stages = await build(
      cpu,
      buffers,
      (p) => squareRows(p, { rows: 1, cols: 5000, x, squares }),
    );
    submit(cpu, stages);
    const held = cpu.allocated;
    buffers[Symbol.dispose]();
    assertEquals(cpu.allocated, held - 4 * 5000);
    // Were its bytes given back at once, these zeros would lie over x.
    using later = createBuffers(cpu);
    later.zeros("later", 5000);
    assertEquals([...await readFloats(cpu, squares, 1)], [5000 * run * run]);
  }
});

Deno.test("workers take part whatever their number, and are named", async () => {
  for (const workers of [0, 1, 2, 3]) {
    using cpu = await openCpu({ ...PLAIN, workers });
    assertEquals(cpu.threads, Math.max(1, workers));
    assertEquals([cpu.kind, cpu.software], ["cpu", true]);
    using buffers = createBuffers(cpu);
    const x = buffers.from("x", Float32Array.from({ length: 700 }, (_, at) => at));
    const squares = buffers.zeros("squares", 70);
    submit(
      cpu,
      await build(cpu, buffers, (p) => squareRows(p, { rows: 70, cols: 10, x, squares })),
    );
    const expected = Array.from({ length: 70 }, (_, r) => {
      let sum = 0;
      for (let c = 0; c < 10; c++) sum += (10 * r + c) ** 2;
      return sum;
    });
    assertEquals([...await readFloats(cpu, squares, 70)], expected);
  }
});

Deno.test("workers that start again see memory that grew meanwhile", async () => {
  const { setTimeout } = globalThis;
  // Workers rest at once, not after three seconds.
  globalThis.setTimeout =
    ((call: () => void, time: number) =>
      setTimeout(call, time === 3000 ? 0 : time)) as typeof setTimeout;
  try {
    for (const run of someOf([...Array(8).keys()], 2)) {
      using cpu = await openCpu({ ...PLAIN, workers: 2 });
      using buffers = createBuffers(cpu);
      const square = async (rows: number) => {
        const x = buffers.from("x", new Float32Array(rows).fill(3));
        const squares = buffers.zeros("squares", rows);
        submit(cpu, await build(cpu, buffers, (p) => squareRows(p, { rows, cols: 1, x, squares })));
        return readFloats(cpu, squares, rows);
      };
      await new Promise((done) => setTimeout(done, 50));
      const all = [square(10)];
      // They are on their way for some 100 ms.
      await new Promise((done) => setTimeout(done, 10 * run));
      all.push(square(400_000));
      for (const squares of await settles(Promise.all(all))) {
        assert(squares.every((value) => value === 9), `run ${run}`);
      }
    }
  } finally {
    globalThis.setTimeout = setTimeout;
  }
});

Deno.test("work on the calling thread lets timers and signals have their turn", async () => {
  using cpu = await openCpu({ ...PLAIN, workers: 0 });
  let ended = false;
  const timer = setTimeout(() => ended = true, 60);
  // Each takes 20 ms and is awaited by promises alone.
  const busy: CpuStage = {
    name: "busy",
    loop: () => {
      const end = performance.now() + 20;
      while (performance.now() < end);
    },
    args: {},
    items: 1,
    grain: 1,
  };
  let runs = 0;
  while (!ended && runs < 200) {
    await cpu.run([busy]);
    runs++;
  }
  clearTimeout(timer);
  assert(ended, `no timer was called in ${runs} runs of 20 ms`);
});
