import { assertEquals, assertThrows } from "@std/assert";
import { UsageError } from "../../cli/io.ts";
import {
  checkOptions,
  helpOf,
  namesOf,
  type Options,
  parseArguments,
  shared,
} from "../../cli/options.ts";
import { TRAINING } from "../../cli/training_options.ts";
import { TRAINING_OPTIONS } from "../../lib/sweep/option_texts.ts";
import { saewing } from "./cli_helper.ts";

const TABLE: Options = [
  ["What", [
    shared("text", undefined, { required: true }),
    { name: "kind", value: "KIND", help: "a, b or c", choices: ["a", "b", "c"] },
    shared("epochs"),
  ]],
  ["How", [
    { name: "long-winded-option-name", value: "N", help: "word ".repeat(30).trim(), least: 0 },
    shared("json"),
  ]],
];

Deno.test("a table of options gives their names and the help", () => {
  assertEquals(namesOf(TABLE), {
    values: ["text", "kind", "epochs", "long-winded-option-name"],
    flags: ["json"],
  });
  assertEquals(
    helpOf("Does it.\n\n", TABLE, "\nExamples"),
    `Does it.

What
  --text FILES        .txt, .jsonl, .csv (also .gz): file, folder or glob; may be repeated
  --kind KIND         a, b or c
  --epochs N          passes over all activations (default 1, or as many as --steps needs)

How
  --long-winded-option-name N  ${" word".repeat(13)}
${" ".repeat(21)}${" word".repeat(15)}
${" ".repeat(21)}${" word".repeat(2)}
  --json              one JSON object per line instead of text

Examples
`,
  );
});

const CASES: [args: string[], error: string | undefined][] = [
  [["--text", "x", "--kind", "c", "--epochs", "2", "--json"], undefined],
  [["--text", "x", "--text", "y", "one"], undefined],
  [[], "--text is missing"],
  [["--text", "x", "one", "two"], "unexpected argument two"],
  [["--text", "x", "--kind", "d"], "--kind is d, expected a, b or c"],
  [["--text", "x", "--kind", "a", "--kind", "b"], "--kind was given 2 times"],
  [["--text", "x", "--epochs", "0"], "--epochs is 0, expected a whole number from 1 on"],
  [["--text", "x", "--epochs", "1.5"], "--epochs is 1.5, expected a whole number from 1 on"],
  [["--text", "x", "--long-winded-option-name=-1"], "is -1, expected a whole number from 0 on"],
  [["--text", "x", "--other"], "unknown option --other"],
];
for (const [args, error] of CASES) {
  Deno.test(`a table checks ${args.join(" ") || "no arguments"}`, () => {
    const check = () => checkOptions(parseArguments(args, namesOf(TABLE)), TABLE, 1);
    if (error === undefined) check();
    else assertThrows(check, UsageError, error);
  });
}

Deno.test("the help knows every option of training, and no other", () => {
  assertEquals(TRAINING.map(({ name }) => name).sort(), [...TRAINING_OPTIONS].sort());
});

Deno.test("doctor takes no arguments", async () => {
  const { code, stderr } = await saewing(["doctor", "now"]);
  assertEquals([code, stderr.includes("unexpected argument now")], [2, true]);
});
