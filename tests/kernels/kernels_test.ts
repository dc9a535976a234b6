import { assert, assertEquals } from "@std/assert";
import { compileKernel } from "../../lib/device/kernel.ts";
import { searchEdges, searchMaxima } from "../../lib/ops/cosine_search.ts";
import { unitRows } from "../../lib/ops/unit_rows.ts";
import type { TrainOptions } from "../../lib/training/options.ts";
import { trainSae } from "../../lib/training/train_sae.ts";
import { openGpu, presentAs, randomMatrix } from "../gpu_helper.ts";
import { combinations, someOf } from "../depth.ts";
import { everyKernel, WIDTHS } from "./every_kernel.ts";
import { readSnapshots, takeSnapshots } from "./snapshots.ts";

Deno.test("the emitted WGSL is that of the snapshots (to renew them: deno task wgsl --update)", async () => {
  assertEquals(await takeSnapshots(), await readSnapshots());
});

Deno.test("names and sources of kernels differ, and every file that defines one is in the list", async () => {
  const all = everyKernel();
  assert(all.length > 100);
  assertEquals(new Set(all.map(({ name }) => name)).size, all.length);
  assertEquals(new Set(all.map(({ kernel }) => kernel.code)).size, all.length);
  const list = await Deno.readTextFile(new URL("every_kernel.ts", import.meta.url));
  for await (const { name } of Deno.readDir(new URL("../../kernels/", import.meta.url))) {
    if (!name.endsWith(".ts")) continue;
    const text = await Deno.readTextFile(new URL(`../../kernels/${name}`, import.meta.url));
    if (!/= defineKernel\(|return defineKernel\(|=>\s+defineKernel\(/.test(text)) continue;
    assert(list.includes(`"../../kernels/${name}"`), name);
  }
});

Deno.test("kernels compile, and use what they declare", async () => {
  using gpu = await openGpu();
  // A size may belong to one option of a function only.
  const sizes = new Map<string, boolean>();
  const compiled = new Set(someOf(everyKernel().map(({ name }) => name), 100));
  for (const { name, kernel } of everyKernel()) {
    if (compiled.has(name)) await compileKernel(gpu, name, kernel.code);
    const body = kernel.code.replace(/^(@group|struct).*$/gm, "");
    const uses = (variable: string) => new RegExp(`\\b${variable}\\b`).test(body);
    for (const [binding, { used, kind, count }] of Object.entries(kernel.bind)) {
      const own = kind === "buffers"
        ? [...Array(count).keys()].map((at) => binding + at)
        : [binding];
      for (const variable of own) assertEquals(uses(variable), used, `${name}: ${variable}`);
    }
    for (const size of Object.keys(kernel.sizes)) {
      const key = `${name.split(" ")[0]}: ${size}`;
      sizes.set(key, sizes.get(key) || uses(`sizes.${size}`));
    }
  }
  assertEquals([...sizes].filter(([, used]) => !used), []);
});

Deno.test("what training and searches compile is in the list of every kernel", async () => {
  using opened = await openGpu();
  const listed = new Set(everyKernel().map(({ kernel }) => kernel.code));
  const runs: Partial<TrainOptions>[] = [
    { architecture: "batchtopk", k: 2, inputNormalization: "layer_norm" },
    { architecture: "topk", k: 2, deadAfter: 1, lossNormalization: "input_deviation" },
    { architecture: "relu", sparsityCoefficient: 0.1, gradientClip: 1 },
    { architecture: "jumprelu", sparsityCoefficient: 0.1, gradientClip: 1 },
    { architecture: "matryoshka_batchtopk", k: 2 },
  ];
  const kinds = ["software", "hardware"] as const;
  const widths = WIDTHS.slice(0, 3);
  for (const one of combinations({ kind: kinds, d: widths, run: runs, dictSize: [20, 21] })) {
    const batches = [1, 2, 3].map((seed) => randomMatrix(seed, 40, one.d));
    const options = { auxK: 4, dictSize: one.dictSize, ...one.run } as TrainOptions;
    await trainSae(presentAs(opened, one.kind), batches, options);
  }
  for (const { kind, d } of combinations({ kind: kinds, d: widths })) {
    const gpu = presentAs(opened, kind);
    const rows = unitRows(randomMatrix(4, 30, d), "rows");
    await searchMaxima(gpu, rows, rows);
    await searchEdges(gpu, rows, rows, 0.5, () => {});
  }
  assert(opened.kernels.size > 60);
  const missing = [...opened.kernels.keys()].filter((code) => !listed.has(code));
  // Lanes read uniform buffers of many sizes, of which the list has the smallest and the largest.
  const lanes = /var<uniform> rows0: array<vec4f, \d+>/;
  assertEquals(missing.filter((code) => !lanes.test(code)), []);
});
