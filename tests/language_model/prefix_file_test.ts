import { assert, assertEquals, assertRejects } from "@std/assert";
import { openLanguageModel } from "../../lib/language_model/open_language_model.ts";
import { createSession, runSession } from "../../lib/language_model/onnx_session.ts";
import { exportPrefix } from "../../lib/language_model/prefix_file.ts";
import { MODEL } from "../cli/cli_helper.ts";

Deno.test("a prefix as one file gives the activations that the model gives", async () => {
  for (const hook of ["blocks.2.hook_resid_pre", "blocks.1.hook_mlp_out", "blocks.1.attn.hook_z"]) {
    const prefix = await exportPrefix(MODEL, { hook });
    await using model = await openLanguageModel(MODEL, { hook });
    assertEquals(prefix.bosToken, model.bosToken);
    const tokens = Int32Array.from({ length: 24 }, (_, i) => 37 * i % 500);
    // The folder is not read: all weights are in the bytes.
    const options = { folder: "/nowhere", device: "cpu", threads: 1 };
    const session = await createSession(prefix.bytes, options);
    assertEquals(session.outputNames, [prefix.tensor]);
    assertEquals([...session.inputNames].sort(), prefix.inputs.map(({ name }) => name).sort());
    const result = await runSession(session, { tokens, rows: 2 });
    const wanted = await model.activations(tokens, 2);
    assertEquals(result[prefix.tensor].data as Float32Array, wanted.data);
    await session.release();
  }
});

Deno.test("a prefix holds no layer after the hook, and an unknown hook is refused", async () => {
  const [first, last] = await Promise.all(
    ["blocks.1.hook_resid_pre", "blocks.3.hook_resid_pre"].map((hook) =>
      exportPrefix(MODEL, { hook })
    ),
  );
  assert(first.bytes.length < 0.75 * last.bytes.length);
  await assertRejects(
    () => exportPrefix(MODEL, { hook: "blocks.99.hook_resid_pre" }),
    Error,
    "blocks.99",
  );
});
