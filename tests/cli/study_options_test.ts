import { assertEquals, assertThrows } from "@std/assert";
import { UsageError } from "../../cli/io.ts";
import { parseArguments } from "../../cli/options.ts";
import { studyOptions } from "../../cli/stitch.ts";
import { listCollections } from "../../lib/formats/mod.ts";

const read = (...args: string[]) =>
  parseArguments(args, {
    values: ["threshold", "order", "samples", "seed", "examples"],
    flags: [],
  });

Deno.test("a collection's own threshold holds unless another is given", () => {
  const gemma = listCollections().find(({ name }) => name === "gemma-scope-2b-layer-12")!;
  assertEquals(studyOptions(read(), gemma).threshold, 0.4);
  assertEquals(studyOptions(read("--threshold", "0"), gemma).threshold, 0);
  assertEquals(studyOptions(read()), {
    ...{ threshold: 0.7, order: "benefit", seed: 0, samples: 50_000 },
  });
  const given = read("--order", "random", "--seed", "3", "--samples", "20");
  assertEquals(studyOptions(given), { threshold: 0.7, order: "random", seed: 3, samples: 20 });
});

Deno.test("what does not fit is refused", () => {
  const refused: [string, string, string][] = [
    ["threshold", "1.1", "--threshold is 1.1, expected a cosine from -1 to 1"],
    ["order", "size", "--order is size, expected benefit, cosine or random"],
    ["samples", "0", "--samples is 0, expected a whole number from 1 on"],
    ["seed", "0.5", "--seed is 0.5, expected a whole number"],
  ];
  for (const [name, value, message] of refused) {
    assertThrows(() => studyOptions(read(`--${name}`, value)), UsageError, message);
  }
});
