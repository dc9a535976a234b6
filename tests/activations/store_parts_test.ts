// Parts of a store: whatever their number and order, merged they are the store of one harvest, byte for byte.
import { assert, assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import fc from "fast-check";
import { openActivationStore } from "../../lib/activations/activation_store.ts";
import type { HooksModel } from "../../lib/activations/ordered_hooks.ts";
import { orderedActivations } from "../../lib/activations/ordered_activations.ts";
import { mergeStoreParts } from "../../lib/activations/store_parts.ts";
import type { StoreHeader } from "../../lib/activations/store_header.ts";
import {
  writeStoreParts,
  type WriteStorePartsOptions,
  writeStores,
  type WriteStoresOptions,
} from "../../lib/activations/write_stores.ts";
import { allParts, type Part, partPaths } from "../../lib/files/part.ts";
import { writePartRecord } from "../../lib/files/part_record.ts";
import { createRandom } from "../../lib/random.ts";
import { D, isPlanted, numbersOf, plantedModel } from "./massive_helper.ts";
import { rowsOf, withFolder } from "./store_helper.ts";

/** Two hooks of one width; at the second other activations are massive. */
function twoHooks(tokens: number): HooksModel & { rows: number } {
  const planted = plantedModel(tokens);
  const { id, maxContext, bosToken, tokenize } = planted;
  const model = {
    ...{ id, maxContext, bosToken, tokenize, rows: 0 },
    hooks: [{ hook: "a", dModel: D }, { hook: "b", dModel: D }],
    async activationsOf(tokens: Int32Array, rows: number) {
      model.rows += rows;
      const first = await planted.activations(tokens, rows);
      const second = { ...first, data: first.data.slice() };
      tokens.forEach((token, at) => {
        const by = isPlanted(token) ? 1e-3 : token % 251 === 7 ? 90 : -1;
        for (let j = at * D; j < (at + 1) * D; j++) second.data[j] *= by;
      });
      return [first, second];
    },
  };
  return model;
}

// Five of six tokens of a row are kept.
const OPTIONS: WriteStoresOptions = {
  ...{ contextSize: 6, skipPositions: [0], rowsPerRun: 7, seed: 3, dtype: "float16" },
  ...{ blockRows: 8, rowsPerShard: 24 },
};
const HOOKS = ["a", "b"];

async function filesOf(folder: string): Promise<Record<string, string>> {
  const files: Record<string, string> = {};
  for await (const { name, isFile } of Deno.readDir(folder)) {
    if (isFile) files[name] = (await Deno.readFile(join(folder, name))).toHex();
  }
  return files;
}

/** Writes a part of the stores in `out`, and its record. */
async function writePart(
  out: string,
  part: Part,
  tokens: number,
  options: Partial<WriteStorePartsOptions> = {},
): Promise<StoreHeader[]> {
  const { folder } = partPaths(out, part);
  const headers = await writeStoreParts(
    twoHooks(tokens),
    ["text"],
    HOOKS.map((hook) => join(folder, hook)),
    { ...OPTIONS, ...options, part },
  );
  await writePartRecord(out, {
    ...{ command: "harvest", part, options: {}, result: {} },
    names: headers.flatMap(({ shards }, i) =>
      ["store.json", ...shards.map(({ file }) => file)].map((file) => `${HOOKS[i]}/${file}`)
    ),
  });
  return headers;
}

const mergeAll = (out: string, count: number) =>
  Promise.all(HOOKS.map((hook) =>
    mergeStoreParts(
      join(out, hook),
      allParts(count).map((part) => join(partPaths(out, part).folder, hook)),
    )
  ));

Deno.test("merged parts are the store of one harvest, for any number, order and text", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        count: fc.integer({ min: 1, max: 6 }),
        tokens: fc.integer({ min: 6, max: 500 }),
        maxTokens: fc.option(fc.integer({ min: 1, max: 1000 }), { nil: undefined }),
        order: fc.infiniteStream(fc.double({ min: 0, max: 1, noNaN: true })),
        rowsPerShard: fc.constantFrom(16, 24, 64),
        normLimit: fc.constantFrom(undefined, "none" as const, { multiple: 10 }),
        merges: fc.integer({ min: 1, max: 2 }),
      }),
      async ({ count, tokens, maxTokens, order, merges, ...more }) => {
        await withFolder(async (folder) => {
          const [whole, out] = [join(folder, "whole"), join(folder, "out")];
          const options = { ...OPTIONS, maxTokens, ...more };
          const stores = await writeStores(
            twoHooks(tokens),
            ["text"],
            HOOKS.map((hook) => join(whole, hook)),
            options,
          );
          const parts = allParts(count).map((part) => ({ part, at: order.next().value }))
            .sort((a, b) => a.at - b.at);
          for (const { part } of parts) await writePart(out, part, tokens, { maxTokens, ...more });
          // Before and after they are merged, the parts read as one.
          const reading = { batchSize: 5, seed: 1, windowBytes: 200, keepLast: true };
          const wanted = await rowsOf(stores[1].batches(reading));
          const split = await openActivationStore(join(out, "b"));
          assertEquals(await rowsOf(split.batches(reading)), wanted);
          const { folder: _, batches: __, ...facts } = split;
          const { folder: ___, batches: ____, ...wantedFacts } = stores[1];
          assertEquals(facts, wantedFacts);
          for (let merge = 0; merge < merges; merge++) await mergeAll(out, count);
          for (const hook of HOOKS) {
            assertEquals(await filesOf(join(out, hook)), await filesOf(join(whole, hook)));
          }
          const merged = await openActivationStore(join(out, "b"));
          assertEquals(await rowsOf(merged.batches(reading)), wanted);
        });
      },
    ),
    { numRuns: 10 },
  );
});

Deno.test("a part that was stopped anywhere goes on to the same bytes", async () => {
  const tokens = 700;
  await withFolder(async (folder) => {
    const [whole, out] = [join(folder, "whole"), join(folder, "out")];
    const random = createRandom(5);
    // Turns of ten shards.
    const maxTokens = 720;
    for (const part of allParts(3)) await writePart(whole, part, tokens, { maxTokens });
    for (const part of allParts(3)) {
      for (let writes = 1;; writes++) {
        let left = 1 + random.below(writes);
        const beforeWrite = () => left-- > 0 ? Promise.resolve() : Promise.reject(new Error("off"));
        const ended = await writePart(out, part, tokens, { beforeWrite, maxTokens }).then(
          () => true,
          (error) => {
            assertEquals(error.message, "off");
            return false;
          },
        );
        if (ended) break;
        await assertRejects(() => openActivationStore(join(out, "a")), Error, "not finished");
      }
      for (const hook of HOOKS) {
        const [own, wanted] = [out, whole].map((to) => join(partPaths(to, part).folder, hook));
        assertEquals(await filesOf(own), await filesOf(wanted));
      }
    }
    await mergeAll(out, 3);
    assertEquals((await openActivationStore(join(out, "a"))).rows, 699);
  });
});

Deno.test("the model runs on a part's own activations, and those that tell what is massive", async () => {
  await withFolder(async (folder) => {
    const model = twoHooks(6000);
    const part = { index: 2, count: 4 };
    const options = { ...OPTIONS, rowsPerShard: 240, maxTokens: 4800 };
    await writeStoreParts(model, ["text"], [join(folder, "a"), join(folder, "b")], {
      ...{ ...options, part },
    });
    // A turn is 1,200 activations, 240 rows: 35 calls of 7, at most two of them shared with others. To measure, 118
    // calls are needed, and three more may be under way.
    assert(model.rows <= (36 + 118 + 3) * 7, `${model.rows} rows`);
    await assertRejects(
      () =>
        writeStoreParts(model, plantedTexts(), [join(folder, "c"), join(folder, "d")], {
          ...{ ...options, part },
        }),
      TypeError,
      "a part of a harvest reads the texts 2 times",
    );
    const uneven = { ...model, hooks: [model.hooks[0], { hook: "wide", dModel: 3 * D }] };
    await assertRejects(
      () =>
        writeStoreParts(uneven, ["text"], [join(folder, "c"), join(folder, "d")], {
          ...{ contextSize: 6, skipPositions: [0], part },
        }),
      RangeError,
      "a has width 8 and wide 24: parts of their stores would not be of the same activations",
    );
  });
});

async function* plantedTexts() {
  yield await Promise.resolve("text");
}

Deno.test("shares of activations are disjoint and all, and begin anywhere", async () => {
  const read = async (options = {}) =>
    await numbersOf(
      orderedActivations(plantedModel(500), ["text"], {
        ...{ contextLength: 6, rowsPerRun: 7, ...options },
      }),
    );
  const all = await read();
  for (const [count, rows] of [[1, 7], [3, 10], [3, 35], [2, 400], [4, 1]]) {
    const own: number[][] = Array.from({ length: count }, () => []);
    for (let row = 0; row < all.length / D; row++) {
      own[Math.floor(row / rows) % count].push(...all.subarray(row * D, (row + 1) * D));
    }
    for (let index = 1; index <= count; index++) {
      const share = { index, count, rows };
      const wanted = Float32Array.from(own[index - 1]);
      assertEquals(await read({ share }), wanted);
      for (const firstRow of [1, rows, rows + 2, 101]) {
        assertEquals(await read({ share, firstRow }), wanted.slice(firstRow * D));
      }
    }
  }
  await assertRejects(() => read({ share: { index: 3, count: 2, rows: 1 } }), RangeError, "share.");
});

Deno.test("parts that do not belong together are refused, and named", async () => {
  await withFolder(async (folder) => {
    const out = join(folder, "out");
    const at = (index: number) => ({ index, count: 2 });
    const maxTokens = 720;
    await writePart(out, at(1), 700, { maxTokens });
    await writePart(out, at(2), 700, { maxTokens, seed: 4 });
    const wrong = `part 2/2 of the store in ${out}`;
    await assertRejects(() => mergeAll(out, 2), Error, wrong);
    await assertRejects(
      () => openActivationStore(join(out, "a")),
      Error,
      "has seed 4, the first 3",
    );
    const { folder: second } = partPaths(out, at(2));
    await Deno.remove(second, { recursive: true });
    await writePart(out, at(2), 300, { maxTokens });
    await assertRejects(
      () => mergeAll(out, 2),
      Error,
      "comes from other texts than the first: 60 token rows with checksum ",
    );
    await assertRejects(
      () => openActivationStore(join(second, "a")),
      Error,
      "is part 2 of 2 of a store: open the folder that has all of them",
    );
    await Deno.remove(second, { recursive: true });
    await assertRejects(() => mergeAll(out, 2), Error, "is not a part of a store");
    // The last shard holds what the text had: with more text it cannot go on.
    await writePart(out, at(2), 700, { maxTokens });
    const header = JSON.parse(await Deno.readTextFile(join(second, "a", "store.json")));
    await Deno.writeTextFile(
      join(second, "a", "store.json"),
      JSON.stringify({ ...header, complete: false, texts: undefined }),
    );
    await assertRejects(
      () => writePart(out, at(2), 720, { maxTokens }),
      Error,
      "which were all of its text; the text has more now",
    );
  });
});

Deno.test("whether a part was taken over is asked when a file is on the disk, just before it takes its place", () =>
  withFolder(async (out) => {
    const part = { index: 1, count: 1 };
    const isWritten: boolean[] = [];
    await writePart(out, part, 60, {
      async beforeWrite() {
        const { folder } = partPaths(out, part);
        const names = HOOKS.map((hook) =>
          Array.fromAsync(Deno.readDir(join(folder, hook)), ({ name }) => name)
        );
        isWritten.push((await Promise.all(names)).flat().some((name) => name.startsWith(".")));
      },
    });
    assert(isWritten.length > 0 && isWritten.every((each) => each), `${isWritten}`);
  }));
