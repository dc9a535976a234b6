// What a store says when its files are not what they should be.
import { assertRejects, assertThrows } from "@std/assert";
import { join } from "@std/path";
import { openActivationStore } from "../../lib/activations/activation_store.ts";
import { parseStoreHeader, type StoreHeader } from "../../lib/activations/store_header.ts";
import { writeActivations } from "../../lib/activations/write_activations.ts";
import { description, numbered, rowsOf, withFolder } from "./store_helper.ts";

/** A store of 10 rows [i, −i] in shards of 4, 4 and 2 rows, of 2 rows a block. */
async function withStore(use: (folder: string) => Promise<void>): Promise<void> {
  await withFolder(async (folder) => {
    const shape = { blockRows: 2, rowsPerShard: 4 };
    await writeActivations(numbered([10]), folder, { ...description, ...shape });
    await use(folder);
  });
}

const readAll = async (folder: string) =>
  await rowsOf((await openActivationStore(folder)).batches({ batchSize: 1 }));

const FAULTS: { name: string; fault: (folder: string) => Promise<void>; error: string }[] = [
  {
    name: "a flipped bit",
    fault: async (folder) => {
      const path = join(folder, "shard-00001.bin");
      const bytes = await Deno.readFile(path);
      bytes[20] ^= 1;
      await Deno.writeFile(path, bytes);
    },
    error: "shard-00001.bin, rows 2 to 3: the checksum is",
  },
  {
    name: "a truncated shard",
    fault: (folder) => Deno.truncate(join(folder, "shard-00002.bin"), 15),
    error: "shard-00002.bin has 15 bytes, expected 16 (2 rows of 2 float32 numbers)",
  },
  {
    name: "a shard that is too long",
    fault: (folder) => Deno.truncate(join(folder, "shard-00000.bin"), 33),
    error: "shard-00000.bin has 33 bytes, expected 32",
  },
  {
    name: "a missing shard",
    fault: (folder) => Deno.remove(join(folder, "shard-00001.bin")),
    error: "shard-00001.bin is missing, store.json lists it",
  },
  {
    name: "an extra shard",
    fault: (folder) =>
      Deno.copyFile(join(folder, "shard-00001.bin"), join(folder, "shard-00003.bin")),
    error: "shard-00003.bin is not listed in store.json",
  },
  {
    name: "no header",
    fault: (folder) => Deno.remove(join(folder, "store.json")),
    error: "but no store.json: it is not a complete store",
  },
  {
    name: "an empty folder",
    fault: async (folder) => {
      for await (const { name } of Deno.readDir(folder)) await Deno.remove(join(folder, name));
    },
    error: "is not an activation store: it has no store.json",
  },
  {
    name: "shards that changed places",
    fault: async (folder) => {
      const [a, b] = ["shard-00000.bin", "shard-00001.bin"].map((name) => join(folder, name));
      await Deno.rename(a, a + ".x");
      await Deno.rename(b, a);
      await Deno.rename(a + ".x", b);
    },
    error: "the checksum is",
  },
];

for (const { name, fault, error } of FAULTS) {
  Deno.test(`a store with ${name} says so`, async () => {
    await withStore(async (folder) => {
      await fault(folder);
      await assertRejects(() => readAll(folder), Error, error);
    });
  });
}

Deno.test("a shard that changes after opening is named too", async () => {
  for (const change of ["truncate", "remove"] as const) {
    await withStore(async (folder) => {
      const store = await openActivationStore(folder);
      const path = join(folder, "shard-00001.bin");
      if (change === "truncate") await Deno.truncate(path, 20);
      else await Deno.remove(path);
      await assertRejects(
        () => rowsOf(store.batches({ batchSize: 1 })),
        Error,
        `cannot read ${path}, rows `,
      );
    });
  }
});

const GOOD: StoreHeader = {
  format: "saewing activations",
  version: 1,
  createdBy: "saewing 0.1.0",
  ...description,
  dtype: "float32",
  dModel: 2,
  rowsPerShard: 4,
  blockRows: 2,
  seed: 0,
  complete: true,
  rows: 6,
  shards: [
    { file: "shard-00000.bin", rows: 4, crc32: "0123456789abcdef" },
    { file: "shard-00001.bin", rows: 2, crc32: "01234567" },
  ],
};

const withShard = (index: number, change: Record<string, unknown>) => ({
  shards: GOOD.shards.map((shard, i) => i === index ? { ...shard, ...change } : shard),
});

const MALFORMED: [change: Record<string, unknown>, error: string][] = [
  [{ format: "zip" }, `format is "zip", expected "saewing activations", in store.json`],
  [{ version: 3 }, "version is 3, expected 1 or 2 (a newer saewing may read it)"],
  [{ model: 3 }, "model is 3, expected a string"],
  [{ hook: undefined }, "hook is undefined, expected a string"],
  [{ dataset: [] }, "dataset is [], expected a string"],
  [{ dtype: "int8" }, `dtype is "int8", expected "float32" or "float16" or "bfloat16"`],
  [{ contextSize: 0 }, "contextSize is 0, expected a whole number above 0"],
  [{ skipPositions: [8] }, "skipPositions is [8], expected positions from 0 to 7"],
  [{ skipPositions: "0" }, `skipPositions is "0", expected positions`],
  [{ dModel: -2 }, "dModel is -2, expected a whole number above 0"],
  [{ dModel: 1.5 }, "dModel is 1.5"],
  [{ dModel: 2 ** 40 }, "rowsPerShard is 4, expected at most 2147483648 bytes per shard"],
  [{ dModel: "2" }, `dModel is "2"`],
  [{ rowsPerShard: 2 ** 52 }, "rowsPerShard is 4503599627370496, expected at most"],
  [{ rowsPerShard: 5 }, "rowsPerShard is 5, expected a multiple of blockRows, 2"],
  [{ blockRows: 0 }, "blockRows is 0, expected a whole number above 0"],
  [{ seed: 0.5 }, "seed is 0.5, expected a whole number"],
  [{ normLimit: "all" }, `normLimit is "all", expected "none", or a multiple from 1 and a medianN`],
  [{ normLimit: null }, `normLimit is null, expected "none", or a multiple`],
  [{ normLimit: { multiple: 10 } }, `normLimit is {"multiple":10}, expected "none", or`],
  [{ normLimit: { multiple: 0.5, medianNorm: 1 } }, `normLimit is {"multiple":0.5,"medianNorm":1}`],
  [{ normLimit: { multiple: 2, medianNorm: -1 } }, `normLimit is {"multiple":2,"medianNorm":-1}`],
  [{ leftOut: 0.5 }, "leftOut is 0.5, expected a whole number from 0"],
  [{ complete: 1 }, "complete is 1, expected true or false"],
  [{ rows: 7 }, "rows is 7, expected 6, the sum over shards"],
  [{ rows: 1e300 }, "rows is 1e+300, expected 6"],
  [{ shards: {} }, "shards is {}, expected a list"],
  [{ shards: [null] }, "shards[0] is null, expected an object"],
  [withShard(0, { file: "../../etc/passwd" }), `expected "shard-00000.bin"`],
  [withShard(1, { file: "shard-00000.bin" }), `shards[1].file is "shard-00000.bin", expected "sh`],
  [withShard(1, { rows: 5 }), "shards[1].rows is 5, expected a whole number from 0 to 4"],
  [withShard(1, { rows: -2 }), "shards[1].rows is -2, expected a whole number from 0 to 4"],
  [withShard(0, { rows: 2 }), `shards[0].crc32 is "`],
  [{ part: { index: 3, count: 2, turn: 1 } }, `part is {"index":3,"count":2,"turn":1}, expected`],
  [{ part: { index: 1, count: 2 } }, `part is {"index":1,"count":2}, expected index, count and t`],
  [{ part: { index: 2, count: 2, turn: 1 } }, `expected "shard-00001.bin"`],
  [withShard(1, { crc32: "0123" }), `shards[1].crc32 is "0123", expected 8 hexadecimal digits`],
  [withShard(1, { crc32: "0123456G" }), `shards[1].crc32 is "0123456G"`],
  [withShard(1, { crc32: 7 }), "shards[1].crc32 is 7"],
];

for (const [change, error] of MALFORMED) {
  Deno.test(`store.json with ${JSON.stringify(change).slice(0, 60)} is refused`, () => {
    const text = JSON.stringify({ ...GOOD, ...change });
    assertThrows(() => parseStoreHeader(text, "store.json"), Error, error);
  });
}

Deno.test("store.json that is no header at all is refused", () => {
  parseStoreHeader(JSON.stringify(GOOD), "store.json");
  for (const text of ["", "{", "\0\0"]) {
    assertThrows(() => parseStoreHeader(text, "store.json"), Error, "store.json is not JSON");
  }
  for (const text of ["[]", "null", "3"]) {
    assertThrows(() => parseStoreHeader(text, "store.json"), Error, "is not a JSON object");
  }
});
