import { assert, assertEquals, assertMatch } from "@std/assert";
import { join } from "@std/path";
import { formatTable, printable, printableJson } from "../../cli/output.ts";
import { HOOK, MODEL, saewing, withFolder } from "./cli_helper.ts";
import { v6, writeTheirs } from "../formats/sae_helper.ts";

/** Turns the title, clears the screen, and the same with the 8-bit introducer. */
const evil = "\x1b]0;owned\x07\x1b[2J\u009b31m\u202e";
const control = /(?![\n\t])\p{Cc}|[\u202a-\u202e]/u;

Deno.test("control characters are written out, text and its line breaks stay", () => {
  assertEquals(printable("plain é 𝑥\n\ttext"), "plain é 𝑥\n\ttext");
  assertEquals(printable(evil), "\\x1b]0;owned\\x07\\x1b[2J\\x9b31m\\u202e");
  assertEquals(printable("50%\rDone"), "50%\\x0dDone");
  assertEquals(formatTable([["a\nb", evil]]).split("\n").length, 1);
  assertEquals(JSON.parse(printableJson({ evil })), { evil });
  assert(!control.test(printableJson({ evil })));
});

Deno.test("names from arguments, configs and folders reach the terminal without escapes", async () => {
  await withFolder(async (folder) => {
    const sae = await writeTheirs({ ...v6, metadata: { ...v6.metadata, model_name: evil } });
    const runs = [
      [evil],
      ["inspect", join(folder, evil)],
      ["inspect", MODEL, evil],
      [
        "train",
        "--model",
        MODEL,
        "--hook",
        evil,
        "--text",
        join(folder, "x"),
        "--dict-size",
        "8",
        "--k",
        "2",
        "--out",
        join(folder, "run"),
      ],
      ["convert", join(folder, evil), join(folder, "out")],
      ["convert", sae, join(folder, `${evil}out`)],
      ["convert", sae, join(folder, `${evil}json`), "--json"],
      ["eval", sae, "--model", MODEL, "--hook", HOOK, "--text", join(folder, evil)],
    ];
    for (const args of runs) {
      const { stdout, stderr } = await saewing(args);
      const text = stdout + stderr;
      assert(!control.test(text), JSON.stringify(text));
      // Where the error quotes a name as JSON, the escape is JSON's.
      assertMatch(text, /\\(x1b|u001b)\]0;owned/);
    }
    await Deno.remove(sae, { recursive: true });
  });
});
