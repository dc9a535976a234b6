import { defineKernel, layOut, read, uniforms, when, write } from "../../kernels/define.ts";
import { createProgram, submit } from "../../lib/device/program.ts";
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { createBuffers, readFloats, readIntegers } from "../../lib/device/buffer.ts";
import { DeviceError } from "../../lib/device/errors.ts";
import type { Device } from "../../lib/device/device.ts";
import { compileKernel, createOperation } from "../../lib/device/kernel.ts";
import { openGpu } from "../gpu_helper.ts";

const COUNT = `
@group(0) @binding(0) var<storage, read_write> out: array<u32>;
@compute @workgroup_size(1)
fn main(@builtin(workgroup_id) id: vec3u, @builtin(num_workgroups) count: vec3u) {
  let at = id.x + id.y * count.x;
  if (at < arrayLength(&out)) { out[at] += at + 1u; }
}`;

/** Adds `times` · (i + 1) to the number of each workgroup i, or multiplies it by 2. */
const count = (statement = "out[group] += sizes.times * (group + 1u)") =>
  defineKernel({
    label: "count",
    sizes: { times: "u32" },
    bind: { out: write("u32") },
    workgroup: 1,
    body: `if (group < arrayLength(&out) && sizes.times > 0u) { ${statement}; }`,
  });

/** Waits until `check` throws; the device reports errors some time after the call. */
async function failureOf(gpu: Device): Promise<unknown> {
  for (let turn = 0; turn < 200; turn++) {
    try {
      gpu.check();
    } catch (error) {
      return error;
    }
    await new Promise((done) => setTimeout(done, 5));
  }
  return undefined;
}

Deno.test("a kernel that does not compile is shown with its name and line", async () => {
  using gpu = await openGpu();
  const broken = COUNT.replace("at + 1u", "at + 1.5");
  const error = await assertRejects(() => compileKernel(gpu, "count", broken), DeviceError);
  const [first, ...lines] = error.message.split("\n");
  assert(/^kernel count does not compile: line 6: \S/.test(first), first);
  assert(lines.some((line) => /^> +6 .*out\[at\] \+= at \+ 1\.5/.test(line)), error.message);
  assert(lines.some((line) => /^ +5 .*let at/.test(line)), error.message);
  // The device goes on.
  await compileKernel(gpu, "count", COUNT);
  gpu.check();
});

Deno.test("what the compiler says below its first line is not lost", async () => {
  using gpu = await openGpu();
  const cases = [
    [COUNT.replace("read_write", "read"), "line 6: ", "writing to this location is not permitted"],
    [COUNT.replace("size(1)", "size(65536)"), "Shader ", "Workgroup size is out of range"],
  ];
  for (const [code, start, reason] of cases) {
    const error = await assertRejects(() => compileKernel(gpu, "count", code), DeviceError);
    const [first] = error.message.split("\n");
    assertEquals(first.slice(0, 31 + start.length), `kernel count does not compile: ${start}`);
    assert(first.includes(reason), first);
  }
});

Deno.test("a kernel that no device can run is refused by name", async () => {
  using gpu = await openGpu();
  const code = COUNT.replace("workgroup_size(1)", "workgroup_size(512)");
  const text = "kernel count is not valid: ";
  await assertRejects(() => compileKernel(gpu, "count", code), DeviceError, text);
  await compileKernel(gpu, "count", COUNT);
  gpu.check();
});

Deno.test("the same source is compiled once", async () => {
  using gpu = await openGpu();
  const first = await compileKernel(gpu, "count", COUNT);
  assert(first === await compileKernel(gpu, "again", COUNT));
  assert(first !== await compileKernel(gpu, "other", COUNT + "\n"));
});

Deno.test("dispatches above one dimension's limit reach every workgroup once", async () => {
  for (const most of [1, 7, 65535]) {
    using gpu = await openGpu({ limits: { maxComputeWorkgroupsPerDimension: most } });
    using buffers = createBuffers(gpu);
    for (const workgroups of [1, 6, 7, 8, 13, 47, 49]) {
      const out = buffers.zeros("out", workgroups);
      const work = { sizes: { times: 1 }, bind: { out }, workgroups };
      submit(gpu, [await createOperation(gpu, buffers, count(), work)]);
      const expected = Array.from({ length: workgroups }, (_, at) => at + 1);
      assertEquals([...await readIntegers(gpu, out, workgroups)], expected, `${most}`);
    }
  }
});

Deno.test("submit clears first, and runs operations in order", async () => {
  using gpu = await openGpu();
  using buffers = createBuffers(gpu);
  const out = buffers.from("out", Uint32Array.of(100, 100));
  const work = { sizes: { times: 1 }, bind: { out }, workgroups: 2 };
  const add = await createOperation(gpu, buffers, count(), work);
  const double = await createOperation(gpu, buffers, count("out[group] *= 2u"), work);
  submit(gpu, [add, double], [out]);
  assertEquals([...await readIntegers(gpu, out, 2)], [2, 4]);
  submit(gpu, [double, add]);
  assertEquals([...await readIntegers(gpu, out, 2)], [5, 10]);
});

Deno.test("a binding above the limit is refused by name", async () => {
  using gpu = await openGpu({ limits: { maxStorageBufferBindingSize: 64 } });
  const buffer = gpu.device.createBuffer({
    label: "large",
    size: 68,
    usage: GPUBufferUsage.STORAGE,
  });
  using buffers = createBuffers(gpu);
  const work = { sizes: { times: 1 }, bind: { out: buffer }, workgroups: 1 };
  await assertRejects(
    () => createOperation(gpu, buffers, count(), work),
    DeviceError,
    "count: large has 68 bytes, this device binds at most 64",
  );
  buffer.destroy();
});

Deno.test("an error that the device reports outside of a call is thrown by the next one", async () => {
  using gpu = await openGpu();
  using buffers = createBuffers(gpu);
  const [one, two] = [buffers.zeros("one", 1), buffers.zeros("two", 1)];
  // A binding that the body does not use is not in the pipeline's layout: there is one too many.
  const unused = defineKernel({
    label: "unused",
    sizes: {},
    bind: { out: write("u32"), more: read("u32") },
    workgroup: 1,
    body: "out[group] = 1u;",
  });
  const work = { sizes: {}, bind: { out: one, more: two }, workgroups: 1 };
  await createOperation(gpu, buffers, unused, work).catch(() => {});
  const failure = await failureOf(gpu);
  assert(failure instanceof DeviceError, String(failure));
  assert(failure.message.length > 10);
  assertThrows(() => submit(gpu, []), DeviceError, failure.message);
  assertThrows(() => buffers.zeros("more", 1), DeviceError, failure.message);
  await assertRejects(() => readIntegers(gpu, one, 1), DeviceError, failure.message);
});

Deno.test("sizes are laid out by name, whole numbers and floats in any order", async () => {
  const fields = { a: "f32", b: "u32", c: "f32" } as const;
  const words = layOut("sizes", fields, { c: 0.1, a: -2, b: 3_000_000_000 });
  assertEquals(words[1], 3_000_000_000);
  const floats = new Float32Array(words.buffer);
  assertEquals([floats[0], floats[2]], [-2, Math.fround(0.1)]);
  assertThrows(
    () => layOut("sum sizes", fields, { a: 1, b: 2 } as never),
    TypeError,
    "sum sizes: c is undefined",
  );
  using gpu = await openGpu();
  using buffers = createBuffers(gpu);
  const sum = defineKernel({
    label: "sum",
    sizes: { scale: "f32", rows: "u32", shift: "f32" },
    bind: { out: write("f32"), x: read("f32"), more: uniforms(2, "array<vec4f, 2>") },
    workgroup: 4,
    body: `
  if (thread >= sizes.rows) { return; }
  out[thread] = sizes.scale * x[thread] + sizes.shift + more0[1].w + more1[0].x;`,
  });
  const p = createProgram(gpu, buffers);
  const out = buffers.zeros("out", 6);
  const more = [1, 10].map((by) => {
    return buffers.uniform("more", Float32Array.from({ length: 8 }, (_, at) => by * at));
  });
  p.kernel(sum, {
    sizes: { rows: 5, shift: 0.5, scale: 2 },
    bind: { more, x: buffers.from("x", Float32Array.of(1, 2, 3, 4, 5, 6)), out },
    workgroups: 2,
  });
  submit(gpu, await p.stages());
  const expected = [1, 2, 3, 4, 5].map((x) => 2 * x + 0.5 + 7);
  assertEquals([...await readFloats(gpu, out, 6)], [...expected, 0]);
});

/** A kernel one of whose bindings is there only with the option. */
const scaled = <Shifted extends boolean>({ shifted }: { shifted: Shifted }) =>
  defineKernel({
    label: "scaled",
    sizes: { factor: "u32" },
    bind: { out: write("u32"), shift: when(shifted, read("u32")) },
    workgroup: 1,
    body: `out[group] *= sizes.factor; ${shifted ? "out[group] += shift[group];" : ""}`,
  });

Deno.test("bindings and sizes are named: what is missing, unknown or misspelt is a type error", async () => {
  using gpu = await openGpu();
  using buffers = createBuffers(gpu);
  const out = buffers.from("out", Uint32Array.of(7));
  const shift = buffers.from("shift", Uint32Array.of(3));
  const sizes = { factor: 2 };
  const operate = async (add: (p: ReturnType<typeof createProgram>) => void) => {
    const p = createProgram(gpu, buffers);
    add(p);
    submit(gpu, await p.stages());
    return [...await readIntegers(gpu, out, 1)];
  };
  const workgroups = 1;
  const plain = scaled({ shifted: false });
  const moved = scaled({ shifted: true });
  const either = scaled({ shifted: Boolean(gpu) });
  assertEquals(await operate((p) => p.kernel(plain, { sizes, bind: { out }, workgroups })), [14]);
  assertEquals(
    await operate((p) => p.kernel(moved, { sizes, bind: { out, shift }, workgroups })),
    [31],
  );
  assertEquals(
    await operate((p) => p.kernel(either, { sizes, bind: { out, shift }, workgroups })),
    [65],
  );
  const refused = (add: (p: ReturnType<typeof createProgram>) => void, text: string) =>
    assertRejects(() => operate(add), Error, text);
  await refused((p) => {
    // @ts-expect-error: shift is missing.
    p.kernel(moved, { sizes, bind: { out }, workgroups });
  }, "scaled: binding shift is missing");
  await refused((p) => {
    // @ts-expect-error: this kernel has no shift.
    p.kernel(plain, { sizes, bind: { out, shift }, workgroups });
  }, "scaled has no binding shift");
  await refused((p) => {
    // @ts-expect-error: there is no such binding.
    p.kernel(moved, { sizes, bind: { out, shift, shifts: shift }, workgroups });
  }, "scaled has no binding shifts");
  await refused((p) => {
    // @ts-expect-error: a size is misspelt.
    p.kernel(plain, { sizes: { factr: 2 }, bind: { out }, workgroups });
  }, "scaled sizes: factor is undefined");
  await refused((p) => {
    p.kernel(either, { sizes, bind: { out, shift: undefined }, workgroups });
  }, "scaled: binding shift is missing");
  await refused((p) => {
    // @ts-expect-error: whether there is a shift has to be said.
    p.kernel(either, { sizes, bind: { out }, workgroups });
  }, "scaled: binding shift is missing");
  const several = defineKernel({
    label: "several",
    sizes: {},
    bind: { out: write("u32"), all: uniforms(2, "vec4u") },
    workgroup: 1,
    body: "out[0] = all0.x + all1.y;",
  });
  await refused(
    (p) => p.kernel(several, { sizes: {}, bind: { out, all: [out] }, workgroups }),
    "several: binding all has 1 buffers, expected 2",
  );
});
