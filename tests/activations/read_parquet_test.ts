import { assertEquals, assertRejects } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { readLabelledTexts } from "../../lib/activations/read_labelled_texts.ts";
import { readParquet } from "../../lib/activations/read_parquet.ts";
import { readTexts } from "../../lib/activations/read_texts.ts";
import { createRandom } from "../../lib/random.ts";

// Written by pyarrow 26.0.1: columns text, label (0 or 1) and name, 12 rows in groups of 5.
const FOLDER = fromFileUrl(new URL("../fixtures/parquet", import.meta.url));
const TEXTS = ["one cat", 'two dogs, "quoted"', "drei Vögel", "日本"];
const REPEATED = [...TEXTS, ...TEXTS, ...TEXTS];

for (const compression of ["snappy", "zstd"]) {
  Deno.test(`texts and labels are read from Parquet files (${compression})`, async () => {
    const path = join(FOLDER, `texts.${compression}.parquet`);
    assertEquals(await Array.fromAsync(readTexts(path)), REPEATED);
    const { texts, labels } = await readLabelledTexts(path);
    assertEquals(texts, REPEATED);
    assertEquals(labels, Array.from(REPEATED, (_, i) => [0, 1, 1, 0][i % 4].toString()));
    const named = await readLabelledTexts(path, { labelField: "name" });
    assertEquals(named.labels.slice(0, 4), ["a", "b", "b", "a"]);
    const grouped = await readLabelledTexts(path, { groupField: "name" });
    assertEquals(grouped, { texts, labels, groups: named.labels });
    await assertRejects(
      () => readLabelledTexts(path, { labelField: "class" }),
      Error,
      `${path} has no column "class", found text, label, name`,
    );
  });
}

Deno.test("labelled texts are read from .jsonl and .csv files, not from .txt", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const path = (name: string) => join(folder, name);
    await Deno.writeTextFile(
      path("a.jsonl"),
      '{"text": "x", "label": 1}\n{"text": "y", "label": "b"}\n{"text": "z", "label": true}\n',
    );
    await Deno.writeTextFile(path("b.csv"), "label,text\n2,u\n3,v\n");
    assertEquals(await readLabelledTexts([path("a.jsonl"), path("b.csv")]), {
      texts: ["x", "y", "z", "u", "v"],
      labels: ["1", "b", "true", "2", "3"],
    });
    await Deno.writeTextFile(path("c.jsonl"), '{"text": "x", "label": [1]}\n');
    await assertRejects(
      () => readLabelledTexts(path("c.jsonl")),
      Error,
      `field "label" is an object, expected a string, in line 1 of ${path("c.jsonl")}`,
    );
    await Deno.writeTextFile(path("e.jsonl"), '{"text": "x", "label": null}\n');
    await assertRejects(
      () => readLabelledTexts(path("e.jsonl")),
      Error,
      `field "label" is null, expected a string, in line 1 of ${path("e.jsonl")}`,
    );
    await Deno.writeTextFile(path("d.txt"), "x");
    await assertRejects(
      () => readLabelledTexts(path("d.txt")),
      Error,
      `${path("d.txt")} has no labels: expected .jsonl, .csv or .parquet`,
    );
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("damaged Parquet files end in an error or in their own rows", async () => {
  const whole = await Deno.readFile(join(FOLDER, "texts.snappy.parquet"));
  const file = await Deno.makeTempFile({ suffix: ".parquet" });
  const random = createRandom(9);
  try {
    const read = async (bytes: Uint8Array): Promise<string> => {
      await Deno.writeFile(file, bytes);
      try {
        let rows = 0;
        for await (const [text] of readParquet(file, ["text"])) {
          rows += typeof text === "string" ? 1 : 0;
        }
        return `${rows} rows`;
      } catch (error) {
        return (error as Error).message;
      }
    };
    assertEquals(await read(whole), "12 rows");
    for (const length of [0, 3, 11, whole.length - 1]) {
      const message = await read(whole.subarray(0, length));
      assertEquals(message.startsWith(`${file} cannot be read as Parquet: `), true, message);
    }
    for (let trial = 0; trial < 300; trial++) {
      const bytes = whole.slice();
      for (let i = 0; i < 3; i++) bytes[random.below(bytes.length)] = random.below(256);
      const message = await read(bytes);
      // Text that was changed inside its strings still is text.
      assertEquals(message === "12 rows" || message.includes(file), true, message);
    }
  } finally {
    await Deno.remove(file);
  }
});
