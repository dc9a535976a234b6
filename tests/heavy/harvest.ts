// A store of two shards: 64 MiB and some, of 33,000 tokens.
import { assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { openActivationStore } from "../../mod.ts";
import { MODEL, saewing, withFolder } from "../cli/cli_helper.ts";

Deno.test("harvest at several hooks continues where one store lacks rows; complete ones stay", async () => {
  await withFolder(async (folder) => {
    const corpus = join(folder, "long.txt");
    await Deno.writeTextFile(corpus, "It was the best of times. ".repeat(6000));
    const hooks = ["blocks.0.mlp.hook_post", "blocks.1.mlp.hook_post"];
    const out = join(folder, "both");
    const command = [
      ...["harvest", "--model", MODEL, "--text", corpus, "--out", out, "--tokens", "33000"],
      ...hooks.flatMap((hook) => ["--hook", hook]),
    ];
    const whole = await saewing(command);
    assertEquals(whole.code, 0, whole.stderr);
    const [first, second] = hooks.map((hook) => join(out, hook));
    const bytes = await Deno.readFile(join(second, "shard-00001.bin"));
    const written = (await Deno.stat(join(first, "shard-00000.bin"))).mtime;
    // As after an end in its second shard: 32,768 rows of 512 numbers are 64 MiB.
    await Deno.remove(join(second, "shard-00001.bin"));
    for (const [name, change] of [["store", unfinish], ["saewing", unmark]] as const) {
      const path = join(second, `${name}.json`);
      const text = JSON.stringify(change(JSON.parse(await Deno.readTextFile(path))));
      await Deno.writeTextFile(path, text);
    }
    const other = await saewing([...command, "--context", "64"]);
    assertEquals(other.code, 2);
    assertStringIncludes(other.stderr, `${first} holds what \`saewing harvest\` finished`);
    const again = await saewing(command);
    assertEquals(again.code, 0, again.stderr);
    assertStringIncludes(again.stdout, "1 of 2 stores are complete already");
    assertStringIncludes(again.stdout, "continuing after the first 32768 activations");
    assertEquals(await Deno.readFile(join(second, "shard-00001.bin")), bytes);
    assertEquals((await Deno.stat(join(first, "shard-00000.bin"))).mtime, written);
    for (const path of [first, second]) assertEquals((await openActivationStore(path)).rows, 33000);
    assertEquals((await saewing(command)).code, 2);
  });
});

function unfinish(header: Record<string, unknown> & { shards: unknown[] }) {
  return { ...header, complete: false, rows: 32768, shards: header.shards.slice(0, 1) };
}

function unmark({ finished: _, ...manifest }: Record<string, unknown>) {
  return manifest;
}
