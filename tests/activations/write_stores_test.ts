import { assert, assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { writeStores, type WriteStoresProgress } from "../../lib/activations/mod.ts";
import { orderedHooks } from "../../lib/activations/ordered_hooks.ts";
import { writeActivations } from "../../lib/activations/write_activations.ts";
import { withFolder } from "../cli/cli_helper.ts";
import { madeModel } from "./made_hooks.ts";

const TEXTS = ["abcdefghijklmnopqrstuvwxyz".repeat(6)];
// Three of four tokens of a row are kept, two rows a call: six activations a call and a shard.
const SHAPE = { contextSize: 4, skipPositions: [0], normLimit: "none", seed: 3 } as const;
const STORE = { ...SHAPE, blockRows: 2, rowsPerShard: 6 };
const OPTIONS = { ...STORE, rowsPerRun: 2 };

async function tree(folder: string): Promise<Record<string, string>> {
  const files: Record<string, string> = {};
  for await (const { name } of Deno.readDir(folder)) {
    files[name] = (await Deno.readFile(join(folder, name))).toHex();
  }
  return files;
}

Deno.test("stores written together have the bytes of each alone, also after a failure", async () => {
  await withFolder(async (folder) => {
    const at = (name: string) => ["a", "b"].map((hook) => join(folder, name, hook));
    const streams = orderedHooks(madeModel(), TEXTS, { contextLength: 4, rowsPerRun: 2 });
    await Promise.all(streams.map((stream, i) =>
      writeActivations(stream, at("alone")[i], {
        ...{ ...STORE, model: "made", hook: ["a", "b"][i] },
      })
    ));
    const done: string[] = [];
    const stores = await writeStores(madeModel(), TEXTS, at("whole"), {
      ...{ ...OPTIONS, onStore: (path) => void done.push(path) },
    });
    assertEquals(stores.map(({ hook, rows, dModel }) => [hook, rows, dModel]), [
      ...[["a", 156, 1], ["b", 156, 2]],
    ]);
    assertEquals(done.sort(), at("whole"));
    const withoutTexts = (files: Record<string, string>) => ({ ...files, "store.json": "" });
    for (const i of [0, 1]) {
      assertEquals(
        withoutTexts(await tree(at("whole")[i])),
        withoutTexts(await tree(at("alone")[i])),
      );
    }

    const fails = () => writeStores(madeModel(9), TEXTS, at("broken"), OPTIONS);
    await assertRejects(fails, Error, "the model fails");
    const seen: WriteStoresProgress[] = [];
    await writeStores(madeModel(), TEXTS, at("broken"), {
      ...{ ...OPTIONS, onProgress: (progress) => void seen.push(progress) },
    });
    assert(seen[0].first > 0, "it continues after finished shards");
    for (const i of [0, 1]) assertEquals(await tree(at("broken")[i]), await tree(at("whole")[i]));

    // Complete stores stay, without a call of the model.
    const model = madeModel();
    await writeStores(model, TEXTS, at("whole"), OPTIONS);
    assertEquals(model.calls, 0);
  });
});

Deno.test("a folder per hook is needed", async () => {
  await assertRejects(
    () => writeStores(madeModel(), TEXTS, ["one"], OPTIONS),
    RangeError,
    "there are 1 folders, expected 2, one per hook",
  );
});
