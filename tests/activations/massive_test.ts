import { assert, assertAlmostEquals, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { join } from "@std/path";
import { openActivationStore } from "../../lib/activations/activation_store.ts";
import { orderedActivations } from "../../lib/activations/ordered_activations.ts";
import { shuffleRows } from "../../lib/activations/shuffle_rows.ts";
import { streamActivations } from "../../lib/activations/stream_activations.ts";
import { writeActivations } from "../../lib/activations/write_activations.ts";
import type { Matrix } from "../../lib/matrix.ts";
import { measureNormLimit } from "../../lib/sae/separate_massive.ts";
import { below, D, numbersOf, plantedModel } from "./massive_helper.ts";
import { description, withFolder } from "./store_helper.ts";

const TOKENS = 10_000;
const MOST = 50;
const reading = { contextLength: 26, rowsPerRun: 7 };
const order = { batchSize: 64, bufferRows: 512, seed: 3 };
const ordered = (rowsPerRun = 7) =>
  orderedActivations(plantedModel(TOKENS), ["text"], { ...reading, rowsPerRun });

Deno.test("planted massive activations: the stream is that of the other rows, bit for bit", async () => {
  const seen = { rows: 0, leftOut: 0 };
  const stream = streamActivations(plantedModel(TOKENS), ["text"], {
    ...{ ...reading, ...order },
    onActivations({ rows, leftOut }) {
      seen.rows += rows;
      seen.leftOut += leftOut;
    },
  });
  const found = await numbersOf(stream);
  assertEquals(found, await numbersOf(shuffleRows(below(MOST, ordered()), order)));
  assertEquals(seen, { rows: TOKENS, leftOut: 3 });
  const all = await numbersOf(
    streamActivations(plantedModel(TOKENS), ["text"], { ...reading, ...order, normLimit: "none" }),
  );
  assert(all.some((value) => Math.abs(value) > MOST));
  assertEquals(all, await numbersOf(shuffleRows(ordered(), order)));
});

Deno.test("the median norm is that of the first 4,096 rows, whatever a model call gives", async () => {
  const rows = [...await numbersOf(ordered())].slice(0, 4096 * D);
  const norms = Array.from(
    { length: 4096 },
    (_, row) => Math.hypot(...rows.slice(row * D, (row + 1) * D)),
  ).sort((a, b) => a - b);
  const limit = await measureNormLimit(ordered());
  assertEquals(limit.multiple, 10);
  assertAlmostEquals(limit.medianNorm, (norms[2047] + norms[2048]) / 2, 1e-12);
  for (const rowsPerRun of [1, 16, 500]) {
    assertEquals(await measureNormLimit(ordered(rowsPerRun)), limit);
  }
  const few = (numbers: number[]) => [{ data: Float32Array.from(numbers), rows: 3, cols: 1 }];
  assertEquals(await measureNormLimit(few([-3, 1, 2]), { multiple: 4 }), {
    multiple: 4,
    medianNorm: 2,
  });
  await assertRejects(() => measureNormLimit([]), Error, "there are no activations to measure");
  await assertRejects(
    () => measureNormLimit(few([1, 2, 3]), { multiple: 0.5 }),
    RangeError,
    "normLimit.multiple is 0.5, expected a number of at least 1",
  );
});

Deno.test("where the median is 0 nothing is left out, and what is not finite never", async () => {
  const tokens = plantedModel(20);
  const values = (data: number[]): Matrix => ({
    data: Float32Array.from(data),
    rows: data.length,
    cols: 1,
  });
  await withFolder(async (folder) => {
    const store = (name: string, rows: Matrix) =>
      writeActivations(shuffleRows([rows], { bufferRows: 1, batchSize: 1, seed: 0 }), name, {
        ...description,
      });
    assertEquals((await store(join(folder, "zeros"), values([0, 0, 0, 7]))).leftOut, 0);
    assertEquals((await store(join(folder, "one"), values([1, 1, 1, 11]))).leftOut, 1);
    for (const value of [NaN, Infinity]) {
      await assertRejects(
        () => store(join(folder, "bad"), values([1, 1, value])),
        Error,
        `row 2, column 0 is ${value}, expected a finite number`,
      );
    }
  });
  assertThrows(
    () => streamActivations(tokens, [""], { normLimit: { multiple: NaN } }),
    RangeError,
    "normLimit.multiple is NaN",
  );
});

async function bytesOf(folder: string): Promise<Record<string, Uint8Array<ArrayBuffer>>> {
  const files: Record<string, Uint8Array<ArrayBuffer>> = {};
  for await (const { name } of Deno.readDir(folder)) {
    if (name.endsWith(".bin")) files[name] = await Deno.readFile(join(folder, name));
  }
  return files;
}

const shape = { ...description, blockRows: 50, rowsPerShard: 500 };

/** Rows of width D, sorted by their text. */
function sortedRows(bytes: Uint8Array<ArrayBuffer>): string[] {
  const numbers = new Float32Array(bytes.buffer);
  return Array.from(
    { length: numbers.length / D },
    (_, row) => numbers.slice(row * D, (row + 1) * D).join(" "),
  ).sort();
}

Deno.test("shards have the other rows of their stretches, also where writing went on", async () => {
  await withFolder(async (folder) => {
    const path = (name: string) => join(folder, name);
    const whole = await writeActivations(ordered(), path("whole"), shape);
    const limit = await measureNormLimit(ordered());
    assertEquals([whole.rows, whole.leftOut, whole.normLimit], [TOKENS - 3, 3, limit]);
    const wanted = await bytesOf(path("whole"));
    const all = await numbersOf(ordered());
    const per = shape.rowsPerShard * D;
    assertEquals(Object.keys(wanted).length, TOKENS / shape.rowsPerShard);
    for (const [s, name] of Object.keys(wanted).sort().entries()) {
      const stretch = { data: all.slice(s * per, (s + 1) * per), rows: per / D, cols: D };
      const others = await numbersOf(below(MOST, [stretch]));
      assertEquals(
        sortedRows(wanted[name]),
        sortedRows(Uint8Array.from(new Uint8Array(others.buffer))),
      );
    }
    // It stops between the second and the third massive row, and begins after the first.
    async function* broken() {
      let left = 5000;
      for await (const batch of ordered()) {
        if ((left -= batch.rows) < 0) throw new Error("the power is off");
        yield batch;
      }
    }
    await assertRejects(() => writeActivations(broken(), path("broken"), shape), Error, "power");
    const going: number[] = [];
    const never = () => {
      throw new Error("read from the beginning");
    };
    const gone = await writeActivations(
      never,
      path("broken"),
      {
        ...shape,
        startAt(firstRow) {
          going.push(firstRow);
          return orderedActivations(plantedModel(TOKENS), ["text"], { ...reading, firstRow });
        },
      },
    );
    assertEquals(going, [4500]);
    assertEquals([gone.rows, gone.leftOut, gone.normLimit], [TOKENS - 3, 3, limit]);
    assertEquals(await bytesOf(path("broken")), wanted);
    await assertRejects(
      () => openActivationStore(path("whole"), { normLimit: "none" }),
      RangeError,
      "was written without activations above 10 times the median norm",
    );
    await assertRejects(
      () => openActivationStore(path("whole"), { normLimit: { multiple: 11 } }),
      RangeError,
      "requested is up to 11 times: harvest again",
    );
  });
});

Deno.test("a store of all rows is read without the massive ones where a limit is asked for", async () => {
  await withFolder(async (folder) => {
    await writeActivations(ordered(), folder, { ...shape, normLimit: "none", dtype: "bfloat16" });
    // As versions before the limit wrote it.
    const path = join(folder, "store.json");
    const { normLimit: _, leftOut: __, ...old } = JSON.parse(await Deno.readTextFile(path));
    await Deno.writeTextFile(path, JSON.stringify(old));
    const plain = await openActivationStore(folder);
    assertEquals([plain.rows, plain.leftOut, plain.normLimit], [TOKENS, 0, "none"]);
    const store = await openActivationStore(folder, { normLimit: { multiple: 10 } });
    assertEquals([store.rows, store.leftOut], [TOKENS - 3, 3]);
    const { medianNorm } = store.normLimit as { medianNorm: number };
    assertAlmostEquals(medianNorm, (await measureNormLimit(ordered())).medianNorm, 0.1);
    assertEquals(
      (await openActivationStore(folder, { normLimit: store.normLimit })).normLimit,
      store.normLimit,
    );

    // Rows by their text: two are never the same.
    const options = { batchSize: 100, windowBytes: 30_000, keepLast: true, epochs: 2 };
    const rowsOf = async (from: typeof store, more = {}) => {
      const numbers = await numbersOf(from.batches({ ...options, ...more }));
      return Array.from(
        { length: numbers.length / D },
        (_, row) => numbers.slice(row * D, (row + 1) * D).join(" "),
      );
    };
    const rows = await rowsOf(store);
    const ordinary = (await rowsOf(plain, { epochs: 1 }))
      .filter((row) => Math.hypot(...row.split(" ").map(Number)) <= MOST).sort();
    const epochs = [rows.slice(0, store.rows), rows.slice(store.rows)];
    for (const epoch of epochs) assertEquals(epoch.toSorted(), ordinary);
    assert(epochs[0].join() !== epochs[1].join());
    for (const startBatch of [1, 99, 100, 150]) {
      assertEquals(await rowsOf(store, { startBatch }), rows.slice(100 * startBatch));
    }
    // Where nothing is left out, the order is that of a store that is opened without a limit.
    const wide = await openActivationStore(folder, { normLimit: { multiple: 1000 } });
    assertEquals([wide.rows, wide.leftOut], [TOKENS, 0]);
    assertEquals(await rowsOf(wide), await rowsOf(plain));
    await assertRejects(
      () => openActivationStore(folder, { normLimit: { multiple: 1, medianNorm: 1e-9 } }),
      Error,
      "all 10000 activations in",
    );
  });
});
