import { assertEquals, assertThrows } from "@std/assert";
import { join } from "@std/path";
import { readCell } from "../../lib/formats/sweep_folder.ts";
import type { CellState } from "../../lib/sweep/mod.ts";
import { withFolder } from "../cli/cli_helper.ts";

const settings = { k: 8 };
const numbers = (...names: string[]) => Object.fromEntries(names.map((name, i) => [name, i]));
const sound = {
  settings,
  trained: numbers("steps", "samples", "loss"),
  measured: {
    evaluation: {
      ...numbers("samples", "mse", "nmse", "explainedVariance", "l0", "deadLatents"),
      l0Histogram: [1, 2],
    },
    crossEntropy: {
      ...numbers("tokens", "clean", "spliced", "zeroAblated", "meanAblated"),
      ...numbers("degradation", "recoveredFromZero"),
      recoveredFromMean: null,
    },
  },
} as unknown as CellState;

const damaged: [string, unknown, string][] = [
  ["empty", "", "is not JSON: Unexpected end of JSON input"],
  ["cut short", JSON.stringify(sound).slice(0, 60), "is not JSON: "],
  ["null", null, "it is not a JSON object"],
  ["a list", [], "it is not a JSON object"],
  ["no settings", { ...sound, settings: undefined }, "settings is not an object"],
  ["settings are a text", { ...sound, settings: "k" }, "settings is not an object"],
  ["not trained", { settings }, "trained is not an object"],
  ["trained is a text", { ...sound, trained: "yes" }, "trained is not an object"],
  ["no steps", { ...sound, trained: {} }, "trained.steps is missing, expected a number"],
  ["measured is nothing", { ...sound, measured: {} }, "measured.evaluation is not an object"],
  ["measured is null", { ...sound, measured: null }, "measured.evaluation is not an object"],
  [
    "no histogram",
    { ...sound, measured: { ...sound.measured, evaluation: { ...sound.trained } } },
    "measured.evaluation.mse is missing, expected a number",
  ],
  [
    "half of what was measured",
    { ...sound, measured: { evaluation: sound.measured!.evaluation } },
    "measured.crossEntropy is not an object",
  ],
];

for (const [what, content, text] of damaged) {
  Deno.test(`a sweep's note on an SAE that is damaged, ${what}, is refused by name`, async () => {
    await withFolder(async (folder) => {
      const path = join(folder, "cell.json");
      const json = typeof content === "string" ? content : JSON.stringify(content);
      await Deno.writeTextFile(path, json);
      const { message } = assertThrows(() => readCell(folder, settings), Error);
      assertEquals([message.includes(path), message.includes(text)], [true, true], message);
    });
  });
}

Deno.test("a sound note is read, measured or not, and a missing one is none", async () => {
  await withFolder(async (folder) => {
    assertEquals(readCell(folder, settings), undefined);
    for (const state of [sound, { settings, trained: sound.trained }]) {
      await Deno.writeTextFile(join(folder, "cell.json"), JSON.stringify(state));
      assertEquals(readCell(folder, settings), state);
    }
  });
});
