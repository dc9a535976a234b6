import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { ROOT, withFolder } from "../cli/cli_helper.ts";

// Deno's own binary stands in for the runtime that a compiled program is joined to, so that nothing
// is downloaded. What comes out does not start: only the list of what is embedded is looked at.
Deno.test("task compile embeds workers, what they load, ONNX Runtime's libraries, and nothing that only tests need", async () => {
  await withFolder(async (folder) => {
    const { tasks } = JSON.parse(await Deno.readTextFile(join(ROOT, "deno.json")));
    const [program, ...args] = (tasks.compile as string).split(" ");
    assertEquals(program, "deno");
    const output = args.indexOf("--output") + 1;
    args[output] = join(folder, args[output]);
    const child = new Deno.Command(Deno.execPath(), {
      args,
      cwd: ROOT,
      env: { DENORT_BIN: Deno.execPath(), NO_COLOR: "1" },
    });
    const { code, stdout, stderr } = await child.output();
    const text = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
    assertEquals(code, 0, text);
    assert(args.includes("--self-extracting"));
    for (const file of ["worker.ts", "integer_product.ts", "dense_step.ts"]) {
      assertStringIncludes(text, file);
    }
    // Figures are drawn by packages that are imported when the first is drawn.
    // The explorer's page gets onnxruntime-web's.
    for (const name of ["onnxruntime-node", "onnxruntime-web", "@observablehq/plot", "linkedom"]) {
      assertStringIncludes(text, name);
    }
    for (const name of ["playwright-core", "axe-core", "binaryen"]) {
      assert(!text.includes(name), `${name} is for tests`);
    }
  });
});
