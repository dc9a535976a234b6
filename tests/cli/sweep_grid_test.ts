import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import { join } from "@std/path";
import { UsageError } from "../../cli/io.ts";
import { parseArguments } from "../../cli/options.ts";
import { readGrid } from "../../cli/training_options.ts";
import { saewing, withFolder } from "./cli_helper.ts";

Deno.test("a grid file that is missing or no JSON is named", async () => {
  await withFolder(async (folder) => {
    const broken = join(folder, "grid.json");
    await Deno.writeTextFile(broken, "{");
    const read = (file: string) =>
      assertThrows(
        () => readGrid(parseArguments(["--grid", file], { values: ["grid"], flags: [] })),
        UsageError,
      ).message;
    assertMatch(read(broken), /cannot read the grid .*grid\.json: SyntaxError/);
    assertMatch(read("none.json"), /cannot read the grid none\.json: there is no such file/);
  });
});

Deno.test("sweep without text to measure on says so", async () => {
  const ran = await saewing(["sweep", "--activations", "a", "--dict-size", "8", "--k", "2"]);
  assertMatch(ran.stderr, /--eval-text is missing/);
  assertEquals(ran.code, 2);
});
