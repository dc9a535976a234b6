import { assert, assertEquals } from "@std/assert";
import { everyKernel } from "../kernels/every_kernel.ts";
import { testInPage } from "./chromium.ts";

type Globals = { kernels: typeof import("./compile_sources.ts") };

testInPage(
  "Chromium compiles every kernel",
  import.meta.url,
  { kernels: "./compile_sources.ts" },
  async (page) => {
    // Deno's compiler accepts this.
    const code =
      "@compute @workgroup_size(1)\nfn main() { var bits = 1u; bits = bits | bits << 2u; }";
    const broken = { name: "broken", code };
    const sources = everyKernel().map(({ name, kernel: { code } }) => ({ name, code }));
    const { refused } = await page.evaluate(
      (given) => (globalThis as unknown as Globals).kernels.compileSources(given),
      [broken, ...sources],
    );
    assert(sources.length > 100);
    const [first, ...others] = refused;
    assertEquals(first?.name, "broken");
    assertEquals(others.map(({ name, message }) => `${name}: ${message}`), []);
  },
);
