import { assert, assertEquals } from "@std/assert";
import { relativeDistance } from "../gpu_helper.ts";
import { testInPage } from "./chromium.ts";
import { RUNS, type SmallRun, trainSmall } from "./train_small.ts";

type Globals = { training: typeof import("./train_small.ts") };

testInPage(
  "20 steps in Chromium's WebGPU are 20 steps in Deno's",
  import.meta.url,
  { training: "./train_small.ts" },
  async (page) => {
    const architectures = Object.keys(RUNS);
    const inPage: SmallRun[] = await page.evaluate(
      (names) => (globalThis as unknown as Globals).training.trainSmall("software", names),
      architectures,
    );
    const inDeno = await trainSmall("software", architectures);
    for (const [at, name] of architectures.entries()) {
      const [actual, expected] = [inPage[at], inDeno[at]];
      assertEquals(actual.losses.length, 20);
      assert(actual.losses[19] < actual.losses[0], `${name} learns`);
      let same = true;
      for (const [part, numbers] of Object.entries(expected.weights)) {
        const own = actual.weights[part as keyof SmallRun["weights"]];
        same &&= numbers.every((value, i) => value === own[i]);
        const distance = relativeDistance(own, numbers);
        assert(distance < 1e-4, `${name}: ${part} differs by ${distance}`);
      }
      const bits = same ? "the same bits" : "within 1e-4";
      console.log(`${name}: ${actual.device} and ${expected.device}: ${bits}`);
    }
  },
);

testInPage(
  "20 steps of the CPU device in a page's thread have the bits that they have in Deno",
  import.meta.url,
  { training: "./train_small.ts" },
  async (page) => {
    const architectures = Object.keys(RUNS);
    const inPage: SmallRun[] = await page.evaluate(
      (names) => (globalThis as unknown as Globals).training.trainSmall("cpu", names),
      architectures,
    );
    const inDeno = await trainSmall("cpu", architectures);
    for (const [at, name] of architectures.entries()) {
      assert(inPage[at].losses[19] < inPage[at].losses[0], `${name} learns`);
      assertEquals(inPage[at].losses, inDeno[at].losses, name);
      assertEquals(inPage[at].weights, inDeno[at].weights, name);
    }
  },
);
