// The command line in this process: streams, variables and signals are the caller's.
import { assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { main } from "../../cli.ts";
import { MODEL, withFolder, writeCorpus } from "./cli_helper.ts";
import { runMain, testIo } from "./main_helper.ts";

Deno.test("main writes to the streams that it is given, and leaves no listener", async () => {
  let listening = 0;
  const { io, written } = testIo({}, {
    onInterrupt() {
      listening++;
      return { [Symbol.dispose]: () => void listening-- };
    },
  });
  const variables = Deno.env.toObject();
  assertEquals(await main(["inspect", MODEL], io), 0);
  assertStringIncludes(written.stdout, "blocks.2.hook_resid_pre");
  assertEquals(written.stderr, "");
  assertEquals(listening, 0);
  assertEquals(Deno.env.toObject(), variables);
});

Deno.test("main: exit codes of wrong arguments and of work that fails", async () => {
  assertEquals((await runMain([])).code, 2);
  const unknown = await runMain(["sew"]);
  assertEquals(unknown.code, 2);
  assertStringIncludes(unknown.stderr, "saewing: there is no command sew\n");
  const usage = await runMain(["inspect"]);
  assertEquals([usage.code, usage.stdout], [2, ""]);
  assertStringIncludes(usage.stderr, "saewing inspect: ");
  assertStringIncludes(usage.stderr, "`saewing inspect --help` shows how");
  const failed = await runMain(["inspect", "/no/such/model"], { SAEWING_TRACE: "1" });
  assertEquals(failed.code, 1);
  assertStringIncludes(failed.stderr, "saewing inspect: ");
  assertStringIncludes(failed.stderr, "    at ");
});

for (const exitCode of [130, 143]) {
  Deno.test(`main: a signal before the first activation ends harvest with ${exitCode}`, async () => {
    await withFolder(async (folder) => {
      const text = await writeCorpus(folder);
      const told = testIo();
      const print = told.io.print;
      const io = {
        ...told.io,
        print(line: string) {
          print(line);
          if (line.includes("float32, to")) told.interrupt(exitCode);
        },
      };
      const out = join(folder, "store");
      const code = await main([
        ...["harvest", "--model", MODEL, "--hook", "blocks.2.hook_resid_pre", "--text", text],
        ...["--out", out],
      ], io);
      assertEquals(code, exitCode);
      assertStringIncludes(told.written.stderr, "ending after the current step");
      assertStringIncludes(told.written.stdout, "interrupted: ");
    });
  });
}
