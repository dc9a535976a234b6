import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { join } from "@std/path";
import { openActivationStore } from "../../lib/activations/activation_store.ts";
import {
  orderedActivations,
  type OrderedActivationsOptions,
} from "../../lib/activations/ordered_activations.ts";
import {
  writeActivations,
  type WriteActivationsOptions,
  type WriteProgress,
} from "../../lib/activations/write_activations.ts";
import type { Matrix } from "../../lib/matrix.ts";
import { description, numbered, rowsOf, withFolder } from "./store_helper.ts";

// Measuring the median norm would wait for all of these short streams.
const options = {
  ...description,
  ...{ blockRows: 4, rowsPerShard: 16, normLimit: "none" as const },
};

/** A stream that fails once it has given `rows` rows. */
async function* failsAfter(rows: number, batches: AsyncIterable<Matrix>): AsyncGenerator<Matrix> {
  let left = rows;
  for await (const batch of batches) {
    if (batch.rows > left) throw new Error("the power is off");
    left -= batch.rows;
    yield batch;
  }
}

async function filesOf(folder: string): Promise<Record<string, number[]>> {
  const files: Record<string, number[]> = {};
  for await (const { name } of Deno.readDir(folder)) {
    files[name] = [...await Deno.readFile(join(folder, name))];
  }
  return files;
}

Deno.test("an interrupted harvest keeps its shards and goes on to the same bytes", async () => {
  await withFolder(async (folder) => {
    const [whole, broken] = [join(folder, "whole"), join(folder, "broken")];
    const sizes = Array(25).fill(4);
    await writeActivations(numbered(sizes), whole, options);
    await assertRejects(
      () => writeActivations(failsAfter(40, numbered(sizes)), broken, options),
      Error,
      "the power is off",
    );
    assertEquals(Object.keys(await filesOf(broken)).sort(), [
      ...["shard-00000.bin", "shard-00001.bin", "store.json"],
    ]);
    await assertRejects(
      () => openActivationStore(broken),
      Error,
      "is unfinished, with 32 activations in 2 shards: start the same harvest again",
    );
    // Killed after a shard was in place, and while the next was written.
    await Deno.writeFile(join(broken, "shard-00002.bin"), new Uint8Array(128));
    const leftover = `.shard-00002.bin.${crypto.randomUUID()}`;
    await Deno.writeFile(join(broken, leftover), new Uint8Array(500));
    const progress: WriteProgress[] = [];
    const onProgress = (now: WriteProgress) => progress.push(now);
    await writeActivations(numbered(sizes), broken, { ...options, onProgress });
    assertEquals(progress[0], { phase: "writing", done: 36, savedRows: 32, leftOut: 0 });
    assertEquals(progress.at(-1), { phase: "writing", done: 100, savedRows: 96, leftOut: 0 });
    assertEquals(await filesOf(broken), await filesOf(whole));
  });
});

Deno.test("a resumed harvest can begin where it stopped, and end there", async () => {
  await withFolder(async (folder) => {
    await assertRejects(
      () => writeActivations(failsAfter(40, numbered([20, 20, 20])), folder, options),
    );
    await Deno.writeFile(join(folder, "shard-00002.bin"), new Uint8Array(128));
    const store = await writeActivations(
      numbered([]),
      folder,
      {
        ...options,
        startAt(firstRow) {
          assertEquals(firstRow, 32);
          return numbered([]);
        },
      },
    );
    assertEquals(store.rows, 32);
    const rows = await rowsOf(store.batches({ batchSize: 32 }));
    assertEquals(rows.map(([i]) => i).sort((a, b) => a - b), [...Array(32).keys()]);
  });
});

Deno.test("an unfinished store goes on with the same options only", async () => {
  await withFolder(async (folder) => {
    await assertRejects(() => writeActivations(failsAfter(20, numbered([20, 9])), folder, options));
    const changes: [Partial<WriteActivationsOptions>, string][] = [
      [{ model: "n" }, `with model "m", this run has "n": continue with the same options`],
      [{ hook: "i" }, `with hook "h", this run has "i"`],
      [{ contextSize: 9 }, "with contextSize 8, this run has 9"],
      [{ skipPositions: [] }, "with skipPositions [0], this run has []"],
      [{ dataset: "d" }, `with dataset undefined, this run has "d"`],
      [{ dtype: "float16" }, `with dtype "float32", this run has "float16"`],
      [{ seed: 1 }, "with seed 0, this run has 1"],
      [{ rowsPerShard: 8 }, "with rowsPerShard 16, this run has 8"],
      [{ normLimit: { multiple: 10 } }, `with normLimit "none", this run has {"multiple":10}`],
    ];
    for (const [change, message] of changes) {
      await assertRejects(
        () => writeActivations(numbered([29]), folder, { ...options, ...change }),
        Error,
        message,
      );
    }
    const wide = { data: new Float32Array(3), rows: 1, cols: 3 };
    await assertRejects(
      () => writeActivations(() => numbered([20], [wide]), folder, options),
      Error,
      "a batch is [1, 3] with 3 elements, expected 2 columns",
    );
    await writeActivations(numbered([20, 9]), folder, options);
    await assertRejects(
      () => writeActivations(numbered([29]), folder, options),
      Error,
      "already holds a complete store of 29 activations: choose another folder, or overwrite it",
    );
    await Deno.writeTextFile(join(folder, "notes.txt"), "mine");
    const over = { ...options, seed: 7, overwrite: true };
    assertEquals((await writeActivations(numbered([8]), folder, over)).rows, 8);
    assertEquals(Object.keys(await filesOf(folder)).sort(), [
      ...["notes.txt", "shard-00000.bin", "store.json"],
    ]);
  });
});

Deno.test("what cannot be written is refused", async () => {
  await withFolder(async (folder) => {
    const write = (batches: Matrix[], more: Partial<WriteActivationsOptions> = {}) =>
      writeActivations(numbered([], batches), join(folder, "store"), { ...options, ...more });
    const one = (...numbers: number[]) => ({
      data: Float32Array.from(numbers),
      rows: numbers.length / 2,
      cols: 2,
    });
    await assertRejects(() => write([]), Error, "there are no activations to write to");
    await assertRejects(() => write([one(1, 2, 3, NaN)]), Error, "row 1, column 1 is NaN");
    await assertRejects(
      () => write([one(1, 2), one(-Infinity, 2)]),
      Error,
      "row 1, column 0 is -I",
    );
    await assertRejects(
      () => write([], { dtype: "int8" as "float16" }),
      RangeError,
      `dtype is int8, expected "float32" or "float16" or "bfloat16"`,
    );
    await assertRejects(() => write([], { blockRows: 0 }), RangeError, "blockRows is 0");
    await assertRejects(
      () => write([], { rowsPerShard: 6 }),
      RangeError,
      "rowsPerShard is 6, expected a multiple of blockRows, which is 4",
    );
    await assertRejects(() => write([], { seed: 0.5 }), RangeError, "seed is 0.5");
    await Deno.writeTextFile(join(folder, "file"), "");
    await assertRejects(
      () => writeActivations(numbered([4]), join(folder, "file", "store"), options),
      Error,
      "cannot create the folder",
    );
    await Deno.mkdir(join(folder, "foreign"));
    await Deno.writeTextFile(join(folder, "foreign", "shard-00007.bin"), "");
    await assertRejects(
      () => writeActivations(numbered([4]), join(folder, "foreign"), options),
      Error,
      "holds shard-00007.bin but no store.json",
    );
  });
});

Deno.test("orderedActivations from a row on are those of the whole, and the model sees no more", async () => {
  const text = "abcdefghijklmnopqrstuvwxyz".repeat(4);
  const calls: number[] = [];
  const model = {
    id: "fake",
    dModel: 2,
    maxContext: 64,
    bosToken: 1000,
    tokenize: (text: string) => Int32Array.from(text, (character) => character.charCodeAt(0)),
    activations(tokens: Int32Array, rows: number): Promise<Matrix> {
      calls.push(rows);
      // As a real model may, it gives other bits where it runs on other rows at once.
      const data = Float32Array.from(
        { length: 2 * tokens.length },
        (_, i) => tokens[i >> 1] + rows,
      );
      return Promise.resolve({ data, rows: tokens.length, cols: 2 });
    },
  };
  const read = (options: OrderedActivationsOptions = {}) =>
    rowsOf(orderedActivations(model, [text], { contextLength: 5, rowsPerRun: 3, ...options }));
  const all = await read();
  assertEquals(all.length, 104);
  assertEquals(calls.length, 9);
  const some = await read({ maxTokens: 61 });
  assertEquals(some.length, 61);
  for (const firstRow of [0, 1, 11, 12, 13, 60, 103, 104, 500]) {
    calls.length = 0;
    assertEquals(await read({ firstRow }), all.slice(firstRow));
    assertEquals(calls.length, Math.max(0, 9 - Math.floor(firstRow / 12)));
    assertEquals(await read({ firstRow, maxTokens: 61 }), some.slice(firstRow));
  }
  for (const firstRow of [-1, 0.5, NaN]) {
    assertThrows(() => orderedActivations(model, [text], { firstRow }), RangeError, `firstRow is`);
  }
});
