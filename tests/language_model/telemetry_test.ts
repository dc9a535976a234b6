import { assertEquals } from "@std/assert";
import { join } from "@std/path";
import { ROOT, withFolder } from "../cli/cli_helper.ts";
import { loadFixture } from "./fixtures.ts";

// ONNX Runtime's own client writes $HOME/.cache/Microsoft/DeveloperTools/.onnxruntime (a device id and
// a database of events) and sends them; only a variable that is set before its first session stops it.
const cases: [string, string][] = [
  ["a model without a tokenizer", loadFixture("gpt2").folder],
  ["a model with one", join(ROOT, "examples/tiny-gpt2")],
];

for (const [title, model] of cases) {
  Deno.test(`${title} leaves an empty home folder empty`, async () => {
    await withFolder(async (home) => {
      const hook = "blocks.1.hook_resid_pre";
      const script = `
        import { openLanguageModel } from ${JSON.stringify(import.meta.resolve("../../mod.ts"))};
        const model = await openLanguageModel(${JSON.stringify(model)}, { hook: "${hook}" });
        await model.crossEntropy(Int32Array.of(1, 2, 3), 1);
        await model[Symbol.asyncDispose]();`;
      await runAtHome(home, ["eval", "--no-check", script]);
      assertEquals(await filesBelow(home), []);
    });
  });
}

Deno.test("a thread that imports the runtime's module alone is as quiet", async () => {
  await withFolder(async (home) => {
    const runtime = import.meta.resolve("../../lib/language_model/onnx_runtime.ts");
    const model = join(loadFixture("gpt2").folder, "onnx/model.onnx");
    const script = `import { InferenceSession } from ${JSON.stringify(runtime)};
      await (await InferenceSession.create(${JSON.stringify(model)})).release();`;
    await runAtHome(home, ["eval", "--no-check", script]);
    assertEquals(await filesBelow(home), []);
  });
});

/** Runs Deno with `home` as the home and cache folder, and without what else would stop telemetry. */
async function runAtHome(home: string, args: string[]): Promise<void> {
  const env = Deno.env.toObject();
  for (const name of ["CI", "ORT_DISABLE_TELEMETRY", "ORT_RUNNING_UNIT_TESTS"]) delete env[name];
  for (const name of Object.keys(env)) if (name.startsWith("XDG_")) delete env[name];
  const child = new Deno.Command(Deno.execPath(), {
    args,
    cwd: ROOT,
    clearEnv: true,
    env: { ...env, HOME: home, USERPROFILE: home, DENO_DIR: await denoFolder() },
  });
  const { code, stderr } = await child.output();
  assertEquals(code, 0, new TextDecoder().decode(stderr));
}

/** Deno's own cache, which would else be looked for in the empty home folder. */
async function denoFolder(): Promise<string> {
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["info", "--json"] }).output();
  return JSON.parse(new TextDecoder().decode(stdout)).denoDir;
}

async function filesBelow(folder: string): Promise<string[]> {
  const names: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    names.push(name, ...isDirectory ? await filesBelow(join(folder, name)) : []);
  }
  return names;
}
