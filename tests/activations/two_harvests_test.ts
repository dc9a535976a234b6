// What could mix two harvests in one store: another process that writes, and texts that have changed.
import { assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { openActivationStore } from "../../lib/activations/activation_store.ts";
import { orderedActivations } from "../../lib/activations/ordered_activations.ts";
import { HEADER_FILE } from "../../lib/activations/store_header.ts";
import { createTextFingerprint } from "../../lib/activations/text_fingerprint.ts";
import { writeActivations } from "../../lib/activations/write_activations.ts";
import { deno } from "../cli/cli_helper.ts";
import { numbered, withFolder } from "./store_helper.ts";

// A token a character, two numbers an activation; 3 of 4 positions are kept, 6 rows a shard are 2 token rows.
const model = {
  ...{ id: "letters", dModel: 2, bosToken: 0, maxContext: 64 },
  tokenize: (text: string) => Int32Array.from(text, (character) => character.codePointAt(0)!),
  activations: (tokens: Int32Array) =>
    Promise.resolve({
      data: Float32Array.from({ length: 2 * tokens.length }, (_, i) => tokens[i >> 1]),
      ...{ rows: tokens.length, cols: 2 },
    }),
};
const options = {
  ...{ model: "letters", hook: "h", contextSize: 4, skipPositions: [0] },
  ...{ blockRows: 2, rowsPerShard: 6, normLimit: "none" as const },
};
const TEXTS = ["the quick brown fox", "jumps over the lazy dog", "and again from the start"];

/** Harvests texts; `failsAfter` ends it with an error after so many batches. */
async function harvest(folder: string, texts: string[], failsAfter = Infinity, tokens = Infinity) {
  const fingerprint = createTextFingerprint();
  const startAt = async function* (firstRow: number) {
    const how = { contextLength: 4, rowsPerRun: 2, firstRow, fingerprint, maxTokens: tokens };
    let batches = 0;
    for await (const batch of orderedActivations(model, texts, how)) {
      if (batches++ === failsAfter) throw new Error("the power is off");
      yield batch;
    }
  };
  return await writeActivations(() => startAt(0), folder, { ...options, fingerprint, startAt });
}

const header = async (folder: string) =>
  JSON.parse(await Deno.readTextFile(join(folder, HEADER_FILE)));

Deno.test("a harvest goes on with the texts it began with, and with no others", async () => {
  await withFolder(async (folder) => {
    const [whole, broken] = [join(folder, "whole"), join(folder, "broken")];
    await harvest(whole, TEXTS);
    await assertRejects(() => harvest(broken, TEXTS, 5), Error, "the power is off");
    const before = await header(broken);
    assertEquals([before.shards.length, before.texts.tokenRows], [5, 10]);
    const others = [
      ["the quick brown fax", ...TEXTS.slice(1)],
      [TEXTS[1], TEXTS[0], TEXTS[2]],
      TEXTS.slice(1),
      [TEXTS[0]],
    ];
    for (const texts of others) {
      await assertRejects(
        () => harvest(broken, texts),
        Error,
        `the texts are not those that the 30 rows in ${broken} came from`,
      );
      assertEquals(await header(broken), before);
    }
    // What comes after the last finished shard was not read for it yet.
    await harvest(broken, TEXTS);
    for (const name of [HEADER_FILE, "shard-00000.bin", "shard-00006.bin"]) {
      assertEquals(
        await Deno.readFile(join(broken, name)),
        await Deno.readFile(join(whole, name)),
        name,
      );
    }
    const { texts } = await header(whole);
    assertEquals([texts.tokenRows, texts.crc32.length], [22, 8]);
  });
});

Deno.test("stores that nobody summed up, and texts that are cut short by maxTokens, go on", async () => {
  await withFolder(async (folder) => {
    await assertRejects(() => harvest(folder, TEXTS, 5), Error, "the power is off");
    const { texts: _, ...old } = await header(folder);
    await Deno.writeTextFile(join(folder, HEADER_FILE), JSON.stringify(old));
    await harvest(folder, TEXTS);
    assertEquals((await openActivationStore(folder)).rows, 66);
  });
  await withFolder(async (folder) => {
    await assertRejects(() => harvest(folder, TEXTS, 5), Error, "the power is off");
    await harvest(folder, TEXTS, Infinity, 12);
    assertEquals((await openActivationStore(folder)).rows, 30);
  });
});

Deno.test("a store has one writer at a time, and a killed one leaves no lock behind", async () => {
  await withFolder(async (folder) => {
    let go = () => {};
    const held = new Promise<void>((resolve) => go = resolve);
    async function* slow() {
      yield* numbered([4]);
      await held;
    }
    const first = writeActivations(slow(), folder, { ...options, contextSize: 8 });
    while (!await Deno.stat(join(folder, HEADER_FILE)).catch(() => undefined)) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    for (const overwrite of [false, true]) {
      await assertRejects(
        () => writeActivations(numbered([4]), folder, { ...options, contextSize: 8, overwrite }),
        Error,
        `process ${Deno.pid} on ${Deno.hostname()} writes to ${folder}`,
      );
    }
    go();
    await first;
    assertEquals(Array.from(Deno.readDirSync(folder), ({ name }) => name).sort(), [
      ...["shard-00000.bin", HEADER_FILE],
    ]);
  });
  await withFolder(async (folder) => {
    const script = join(folder, "killed.ts");
    await Deno.writeTextFile(
      script,
      `import { lockStore } from ${
        JSON.stringify(new URL("../../lib/activations/lock_store.ts", import.meta.url).href)
      };
      await lockStore(${JSON.stringify(folder)});
      Deno.kill(Deno.pid, "SIGKILL");
      await new Promise(() => setTimeout(() => {}, 60_000));`,
    );
    const config = new URL("../../deno.json", import.meta.url).pathname;
    await deno(["run", "-A", "--no-check", "-c", config, script]);
    await Deno.stat(join(folder, "store.lock"));
    await writeActivations(numbered([4]), folder, { ...options, contextSize: 8 });
    assertEquals((await openActivationStore(folder)).rows, 4);
    assertEquals(await Deno.stat(join(folder, "store.lock")).catch(() => "gone"), "gone");
  });
});
