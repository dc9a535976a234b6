import { assert, assertEquals, assertNotEquals, assertRejects, assertThrows } from "@std/assert";
import { join } from "@std/path";
import fc from "fast-check";
import {
  type ActivationStore,
  openActivationStore,
  type StoreBatchesOptions,
} from "../../lib/activations/activation_store.ts";
import { writeActivations } from "../../lib/activations/write_activations.ts";
import type { Matrix } from "../../lib/matrix.ts";
import { description, numbered, rowsOf, withFolder } from "./store_helper.ts";

/** Writes rows [i, −i] to a store of small blocks, several a shard. */
async function writeNumbered(
  folder: string,
  rows: number,
  { blockRows = 3, shardBlocks = 2, seed = 0 } = {},
): Promise<ActivationStore> {
  const rowsPerShard = shardBlocks * blockRows;
  return await writeActivations(numbered([rows]), folder, {
    ...description,
    blockRows,
    rowsPerShard,
    seed,
  });
}

const order = async (store: ActivationStore, options: StoreBatchesOptions): Promise<number[]> =>
  (await rowsOf(store.batches(options))).map(([first]) => first);

const ascending = (numbers: number[]) => numbers.toSorted((a, b) => a - b);
const upTo = (count: number) => [...Array(count).keys()];

Deno.test("a store gives every row once an epoch, whatever the shapes", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        rows: fc.integer({ min: 1, max: 60 }),
        blockRows: fc.integer({ min: 1, max: 7 }),
        shardBlocks: fc.integer({ min: 1, max: 4 }),
        windowBytes: fc.integer({ min: 1, max: 300 }),
        batch: fc.double({ min: 0, max: 1, noNaN: true }),
        epochs: fc.integer({ min: 1, max: 3 }),
        startBatch: fc.nat(5),
        seed: fc.maxSafeInteger(),
      }),
      async ({ rows, blockRows, shardBlocks, windowBytes, batch, epochs, startBatch, seed }) => {
        await withFolder(async (folder) => {
          const store = await writeNumbered(folder, rows, { blockRows, shardBlocks, seed });
          const batchSize = 1 + Math.floor(batch * (rows - 1));
          const options = { batchSize, windowBytes, epochs, seed, keepLast: true };
          const batches = await Array.fromAsync(store.batches(options));
          assert(batches.slice(0, -1).every((batch) => batch.rows === batchSize));
          const all = await order(store, options);
          assertEquals(all.length, epochs * rows);
          for (let epoch = 0; epoch < epochs; epoch++) {
            const part = all.slice(epoch * rows, (epoch + 1) * rows);
            assertEquals(ascending(part), upTo(rows));
          }
          // Without the rest, from the middle, and in one buffer: the same rows in the same order.
          const whole = all.slice(0, all.length - all.length % batchSize);
          assertEquals(await order(store, { ...options, keepLast: false }), whole);
          const start = Math.min(startBatch, batches.length);
          assertEquals(
            await order(store, { ...options, startBatch: start }),
            all.slice(start * batchSize),
          );
          const shared = { ...options, shareBuffer: true };
          assertEquals(await order(store, shared), all);
        });
      },
    ),
    { numRuns: 60 },
  );
});

Deno.test("seed and epoch make the order", async () => {
  await withFolder(async (folder) => {
    const store = await writeNumbered(folder, 500, { blockRows: 10 });
    const options = { batchSize: 50, seed: 4, windowBytes: 800 };
    const first = await order(store, options);
    assertEquals(await order(store, { ...options, batchSize: 20 }), first);
    assertNotEquals(await order(store, { ...options, seed: 5 }), first);
    const twice = await order(store, { ...options, epochs: 2 });
    assertEquals(twice.slice(0, 500), first);
    assertNotEquals(twice.slice(500), first);
    const endless = store.batches({ ...options, epochs: Infinity });
    for (let batch = 0; batch < 25; batch++) assertEquals((await endless.next()).done, false);
    await endless.return(undefined);
  });
});

Deno.test("a store is shuffled: places are uniform, neighbours are strangers", async () => {
  await withFolder(async (folder) => {
    // 20 shards of 10 blocks of 10 rows; a window is a tenth of the store.
    const store = await writeNumbered(folder, 2000, { blockRows: 10, shardBlocks: 10 });
    const places = new Float64Array(2000);
    const epochs = 30;
    let near = 0;
    const all = await order(store, { batchSize: 100, epochs, windowBytes: 1600 });
    all.forEach((row, i) => {
      places[row] += (i % 2000) / epochs;
      if (i % 2000 > 0 && Math.abs(row - all[i - 1]) < 100) near++;
    });
    // Mean place of a row: 1000 ± 577 / √30; five deviations. And of 2 rows 10 % are within 100.
    for (const place of places) assert(Math.abs(place - 999.5) < 5 * 577 / Math.sqrt(epochs));
    const share = near / (epochs * 1999);
    assert(share > 0.08 && share < 0.16, `${share} of neighbours come from within 100 rows`);
  });
});

Deno.test("float32 comes back bit for bit", async () => {
  await withFolder(async (folder) => {
    const data = Float32Array.from([0.1, -0, 1e-45, 3.4028235e38, -1e38, Math.PI]);
    const batch = { data, rows: 1, cols: 6 };
    const store = await writeActivations(stream([batch]), folder, description);
    const [back] = await Array.fromAsync(store.batches({ batchSize: 1 }));
    assertEquals(new Uint32Array(back.data.buffer), new Uint32Array(data.buffer));
  });
});

Deno.test("float16 rounds as IEEE 754 does, and refuses what it cannot hold", async () => {
  await withFolder(async (folder) => {
    const numbers = [0.1, -0, 1e-8, 6e-8, 65504, 65519.99, -65504, 1.00048828125, 2049, Math.PI];
    const data = Float32Array.from(numbers);
    const batch = { data, rows: 1, cols: 10 };
    const half = { ...description, dtype: "float16" as const };
    const store = await writeActivations(stream([batch]), folder, half);
    assertEquals([store.dtype, (await Deno.stat(join(folder, "shard-00000.bin"))).size], [
      "float16",
      20,
    ]);
    const [back] = await Array.fromAsync(store.batches({ batchSize: 1 }));
    assertEquals(back.data, data.map(Math.f16round));
    const large = Float32Array.from([1, 2, 3, 65520]);
    await assertRejects(
      () =>
        writeActivations(stream([{ data: large, rows: 2, cols: 2 }]), join(folder, "large"), half),
      Error,
      "row 1, column 1 is 65520, the largest float16 is 65504: store them as float32",
    );
  });
});

/** What bfloat16 rounds x to, by its definition: a multiple of 2^(exponent − 7), ties to even. */
function nearestBfloat16(x: number): number {
  if (x === 0) return x;
  const unit = 2 ** Math.max(Math.floor(Math.log2(Math.abs(x))) - 7, -133);
  const [units, floor] = [x / unit, Math.floor(x / unit)];
  const up = units - floor > 0.5 || units - floor === 0.5 && floor % 2 !== 0;
  return (up ? floor + 1 : floor) * unit;
}

Deno.test("bfloat16 rounds to the nearest, ties to even, and refuses what it cannot hold", async () => {
  await withFolder(async (folder) => {
    const most = 2 ** 128 - 2 ** 120;
    const numbers = [0.1, -0, 1e-40, 82828.3, -65520, 1 + 2 ** -8, 1 + 3 * 2 ** -8, -1 - 2 ** -8];
    const data = Float32Array.from([...numbers, most, -most, 3.39e38, Math.PI, 2 ** -133, -257]);
    const cols = data.length;
    const brain = { ...description, dtype: "bfloat16" as const };
    const store = await writeActivations(stream([{ data, rows: 1, cols }]), folder, brain);
    const { size } = await Deno.stat(join(folder, "shard-00000.bin"));
    assertEquals([store.dtype, size], ["bfloat16", 2 * cols]);
    const [back] = await Array.fromAsync(store.batches({ batchSize: 1 }));
    const bits = (numbers: Float32Array) => [...new Uint32Array(numbers.buffer)];
    assertEquals(bits(back.data), bits(data.map(nearestBfloat16)));
    assertEquals(bits(back.data).filter((number) => number % 2 ** 16 !== 0), []);
    // What bfloat16 holds comes back as it is.
    const again = await writeActivations(stream([back]), join(folder, "again"), brain);
    assertEquals(await Array.fromAsync(again.batches({ batchSize: 1 })), [back]);
    const large = Float32Array.from([1, 2, 3, 2 ** 128 - 2 ** 119]);
    const write = (data: Float32Array) =>
      writeActivations(stream([{ data, rows: 2, cols: 2 }]), join(folder, "large"), {
        ...brain,
        normLimit: "none",
      });
    await assertRejects(
      () => write(large),
      Error,
      "row 1, column 1 is 3.39617752923046e+38, the largest bfloat16 is 3.3895e38: store them as " +
        "float32",
    );
    await assertRejects(() => write(large.fill(NaN)), Error, "row 0, column 0 is NaN, expected a");
  });
});

Deno.test("memory is bounded by the window, not by the store", async () => {
  await withFolder(async (folder) => {
    const [rows, cols, parts] = [4096, 64, 32];
    function* megabytes() {
      for (let part = 0; part < parts; part++) {
        yield { data: new Float32Array(rows * cols).fill(part), rows, cols };
      }
    }
    const small = { ...description, blockRows: 256, rowsPerShard: 4096 };
    const store = await writeActivations(stream(megabytes()), folder, small);
    const before = Deno.memoryUsage().external;
    let most = 0;
    let count = 0;
    const options = { batchSize: 512, windowBytes: 2 ** 20, shareBuffer: true };
    for await (const batch of store.batches(options)) {
      count += batch.rows;
      most = Math.max(most, Deno.memoryUsage().external - before);
    }
    assertEquals(count, rows * parts);
    // Two windows of 1 MiB, a batch of 128 KiB, orders that wait for the collector; the store has 32.
    assert(most < 4 * 2 ** 20, `${most} bytes at most`);
  });
});

Deno.test("batches do not share memory unless asked to", async () => {
  await withFolder(async (folder) => {
    const store = await writeNumbered(folder, 50);
    const buffers = async (options: StoreBatchesOptions) =>
      new Set((await Array.fromAsync(store.batches(options))).map(({ data }) => data.buffer)).size;
    assertEquals(await buffers({ batchSize: 10 }), 5);
    assertEquals(await buffers({ batchSize: 10, shareBuffer: true }), 1);
  });
});

Deno.test("a consumer that leaves early leaves nothing behind", {
  sanitizeResources: true,
  sanitizeOps: true,
}, async () => {
  await withFolder(async (folder) => {
    const store = await writeNumbered(folder, 100);
    for await (const batch of store.batches({ batchSize: 10, windowBytes: 100 })) {
      assertEquals(batch.rows, 10);
      break;
    }
  });
});

Deno.test("with keepLast, a batch may be larger than the store", async () => {
  await withFolder(async (folder) => {
    const store = await writeNumbered(folder, 50);
    const how = { batchSize: 2048, keepLast: true };
    const rows = async (options: StoreBatchesOptions) =>
      (await Array.fromAsync(store.batches(options))).map((batch) => batch.rows);
    assertEquals(await rows(how), [50]);
    assertEquals(await rows({ ...how, batchSize: 30, epochs: 2 }), [30, 30, 30, 10]);
    assertEquals(ascending(await order(store, how)), upTo(50));
  });
});

Deno.test("options that do not fit are named", async () => {
  await withFolder(async (folder) => {
    const store = await writeNumbered(folder, 50);
    const bad = (options: StoreBatchesOptions, message: string) =>
      assertThrows(() => store.batches({ batchSize: 10, ...options }), RangeError, message);
    bad({ batchSize: 51 }, `batchSize is 51, the store in ${folder} holds only 50 activations`);
    bad({ batchSize: 0 }, "batchSize is 0, expected a whole number above 0");
    bad({ batchSize: 1.5 }, "batchSize is 1.5");
    bad({ windowBytes: -1 }, "windowBytes is -1");
    bad({ epochs: 0 }, "epochs is 0, expected a whole number above 0 or Infinity");
    bad({ epochs: 0.5 }, "epochs is 0.5");
    bad({ seed: NaN }, "seed is NaN");
    bad({ startBatch: -1 }, "startBatch is -1");
    bad(
      { startBatch: 11, epochs: 2 },
      "startBatch is 11, expected a whole number from 0 to 10: 2 epochs of 50 activations are 10 " +
        "batches of 10",
    );
    assertEquals(await order(store, { batchSize: 10, startBatch: 5 }), []);
  });
});

Deno.test("an opened store says what it holds", async () => {
  await withFolder(async (folder) => {
    const { batches: _, ...written } = await writeNumbered(folder, 50);
    const { batches: __, ...opened } = await openActivationStore(folder);
    assertEquals(opened, written);
    assertEquals(opened, {
      ...{ folder, ...description, prependBos: true, dataset: undefined, modelDtype: undefined },
      ...{ dtype: "float32", dModel: 2, rows: 50, leftOut: 0 },
      // The median of the norms 0, √2, … 49 · √2.
      normLimit: {
        multiple: 10,
        medianNorm: (Math.sqrt(2 * 24 ** 2) + Math.sqrt(2 * 25 ** 2)) / 2,
      },
    });
  });
});

function stream(batches: Iterable<Matrix>): AsyncIterable<Matrix> {
  return numbered([], batches);
}
