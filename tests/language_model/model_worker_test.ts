import { assert, assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { openLanguageModel } from "../../lib/language_model/open_language_model.ts";
import { deno, ROOT, withFolder } from "../cli/cli_helper.ts";
import { loadFixture, maxDifference } from "./fixtures.ts";
import { writeMadeModel } from "./made_model.ts";

const hook = "blocks.1.hook_resid_pre";

Deno.test({
  name: "models that are opened and closed leave no open file and no memory behind",
  ignore: Deno.build.os !== "linux",
  async fn() {
    await withFolder(async (folder) => {
      // 16 MB of weights in the prefix, 16 MB in the suffix.
      writeMadeModel(folder, {
        opset: 17,
        type: "FLOAT",
        parallel: false,
        extraInputs: false,
        vocabSize: 1e6,
      });
      const script = join(ROOT, "tests/language_model/opened_again.ts");
      const { code, stdout, stderr } = await deno([
        "run",
        "-A",
        "--no-check",
        script,
        folder,
        "12",
      ]);
      assertEquals(code, 0, stderr);
      const { files, bytes } = JSON.parse(stdout);
      // Two more or fewer are the runtime's own, of threads that start late; models would leave twelve.
      const open = files.at(-1) - files[0];
      assert(open < 6, `12 models left ${open} files open: ${files.join(" ")}`);
      const grown = bytes.at(-1) - bytes[3];
      assert(grown < 100e6, `8 models left ${grown} bytes of their 256 MB`);
    });
  },
});

Deno.test("models that are open at once have sessions of their own", async () => {
  const { folder, tokens, rows, values } = loadFixture("gpt2");
  const off = async (model: Awaited<ReturnType<typeof openLanguageModel>>) =>
    maxDifference((await model.activations(tokens, rows)).data, values.pre1);
  const first = await openLanguageModel(folder, { hook });
  {
    // A device that there is not on this system.
    const device = Deno.build.os === "windows" ? "coreml" : "dml";
    await using second = await openLanguageModel(folder, { hook });
    const [a, b, failure] = await Promise.all([
      off(first),
      off(second),
      assertRejects(() => openLanguageModel(folder, { hook, device }), Error),
    ]);
    assert(a < 1e-5 && b < 1e-5);
    assert(failure.message.includes(device), failure.message);
  }
  assert(await off(first) < 1e-5);
  // A thread that had another model, or one that failed, serves as well as a new one.
  for (let i = 0; i < 3; i++) {
    await using again = await openLanguageModel(loadFixture("neox").folder, { hook });
    const { tokens, rows, values } = loadFixture("neox");
    assert(maxDifference((await again.activations(tokens, rows)).data, values.pre1) < 1e-5);
  }
  await first[Symbol.asyncDispose]();
  await assertRejects(() => first.activations(tokens, rows), Error, "the model is closed");
});

Deno.test("an idle thread does not keep a process alive, an open model does", async () => {
  const { folder } = loadFixture("gpt2");
  const script = (rest: string) =>
    `import { openLanguageModel } from ${JSON.stringify(import.meta.resolve("../../mod.ts"))};
     const open = () => openLanguageModel(${JSON.stringify(folder)}, { hook: "${hook}" });
     ${rest}`;
  const closed = script(
    `for (let i = 0; i < 2; i++) await (await open())[Symbol.asyncDispose](); console.log("end");`,
  );
  // A timer that does not keep the process alive itself: without the model it never fires.
  const open = script(
    `const model = await open(); Deno.unrefTimer(setTimeout(() => Deno.exit(3), 300));`,
  );
  assertEquals(await deno(["eval", "--no-check", closed]), {
    code: 0,
    stdout: "end\n",
    stderr: "",
  });
  assertEquals((await deno(["eval", "--no-check", open])).code, 3);
});
