import { assert, assertEquals } from "@std/assert";
import { openCpu } from "../../lib/device/cpu.ts";
import type { DeviceOptions } from "../../lib/device/device.ts";
import { trainSae } from "../../lib/training/train_sae.ts";
import { combinations, someOf } from "../depth.ts";
import { FIXED_RUNS, hashFixedRuns, makeBatches } from "./fixed_run.ts";

// What these runs give on every machine; only a change of the arithmetic's order may change it.
const HASHES = {
  batchtopk: "53f33ec7991495b224cc09bb19ab12b7f2fe336f484201419f946ef2686e951e",
  topk: "af85ede78d14fc7aef0d58e04c89cc60cd7c72acd37c006e4eb8be8e6d963b9a",
  matryoshka: "0fbf4e2f305b417b29bb89bff3d1266249c1632ba2fa1fa04d3f49ac2f14d230",
  relu: "e8d01ed4b8d92cfc51c27bffef69796fdcf1aba335b7d61a0c915efeeae8696f",
  jumprelu: "3059d26636dea4a3e751516d1f464c8d46bb7474a1f497581f63fa64baa3c3fa",
};

type Run = keyof typeof HASHES;

// ONNX Runtime's 8-bit product is there unless it is turned off.
const OWN_PRODUCT = { integerProduct: false } as const;

const VARIANTS: Record<string, DeviceOptions> = {
  "the calling thread": { workers: 0 },
  "the calling thread, plain loops": { workers: 0, simd: false, ...OWN_PRODUCT },
  "one worker": { workers: 1 },
  "two workers, plain loops": { workers: 2, simd: false },
  "three workers, our own product": { workers: 3, ...OWN_PRODUCT },
};

Deno.test("training gives the same bits on every machine", async (t) => {
  const lists = { variant: Object.keys(VARIANTS), run: Object.keys(HASHES) as Run[] };
  for (const { variant, run } of combinations(lists)) {
    await t.step(`${run}: ${variant}`, async () => {
      using cpu = await openCpu({ ...VARIANTS[variant], denseStep: false });
      assertEquals(await hashFixedRuns(cpu, [run]), { [run]: HASHES[run] });
      assertEquals(cpu.allocated, 0);
    });
  }
});

Deno.test("training gives the same bits without WebAssembly and without a compiler", async () => {
  const runs = someOf<Run>(["batchtopk", "jumprelu"], 1);
  const code = `
    import { openCpu } from ${JSON.stringify(import.meta.resolve("../../lib/device/cpu.ts"))};
    import { hashFixedRuns } from ${JSON.stringify(import.meta.resolve("./fixed_run.ts"))};
    using cpu = await openCpu({ workers: 2, denseStep: false });
    const hashes = await hashFixedRuns(cpu, ${JSON.stringify(runs)});
    console.log(JSON.stringify([typeof WebAssembly, hashes]));`;
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--v8-flags=--jitless", code],
    cwd: new URL("../..", import.meta.url),
  }).output();
  const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  assert(success, decode(stderr));
  const expected = Object.fromEntries(runs.map((run) => [run, HASHES[run]]));
  assertEquals(JSON.parse(decode(stdout)), ["undefined", expected]);
});

Deno.test("the fixed runs have dead latents, an auxiliary loss and clipped gradients", async () => {
  using cpu = await openCpu({ workers: 0, denseStep: false });
  for (const [name, options] of Object.entries(FIXED_RUNS)) {
    const { history } = await trainSae(cpu, makeBatches(), options);
    assert(history.at(-1)!.reconstructionLoss < history[0].reconstructionLoss, name);
    const auxiliary = history.some(({ auxiliaryLoss }) => auxiliaryLoss > 0);
    assertEquals(auxiliary, options.auxCoefficient !== undefined, name);
    if (auxiliary) assert(history.some(({ deadLatents }) => deadLatents > 9), name);
    const clip = options.gradientClip;
    if (clip) assert(history.some(({ gradientNorm }) => gradientNorm! > clip), name);
  }
});
