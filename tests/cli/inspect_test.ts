import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { MODEL, ROOT, saewing } from "./cli_helper.ts";

Deno.test("inspect shows the model and its hooks, for people and for machines", async () => {
  const shown = await saewing(["inspect", MODEL]);
  assertEquals(shown.code, 0, shown.stderr);
  assertMatch(shown.stdout, /family +gpt2\n/);
  assertMatch(shown.stdout, /layers +4\n +width +128\n +vocabulary +4096\n/);
  assertMatch(shown.stdout, /^ +blocks\.0\.hook_attn_out +\/transformer\/h\.0\/attn\//m);
  assertMatch(
    shown.stdout,
    /^ +blocks\.2\.hook_resid_pre +\S+ +\(= blocks\.1\.hook_resid_post\)$/m,
  );
  const builder = join(ROOT, "tests/fixtures/onnx/llama");
  const ran = await saewing(["inspect", builder, "--file", "builder", "--json"]);
  const model = JSON.parse(ran.stdout);
  assertEquals([model.type, model.family, model.layers], ["result", "llama", 3]);
  assertEquals(model.weightTypes[0], "float");
  assertEquals(model.hooks.length, 35);
  assertEquals(model.hooks[2].hook, "blocks.0.hook_resid_mid");
  assertEquals(model.hooks[2].shape, ["rows", "positions", 64]);
  assert(!("note" in model));
});

Deno.test("inspect says what is wrong with its argument", async () => {
  const none = await saewing(["inspect"]);
  assertEquals(none.code, 2);
  assertStringIncludes(none.stderr, "which model? A folder or hub id is missing");
  const wrong = await saewing(["inspect", "./no/such"]);
  assertEquals(wrong.code, 1);
  assertStringIncludes(wrong.stderr, "does not exist, expected a folder with config.json");
});
