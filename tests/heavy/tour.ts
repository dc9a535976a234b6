// The cells of examples/tour.ipynb run one after the other, as a notebook runs them: the last value of each is
// what it shows.
import { assert, assertEquals, assertMatch } from "@std/assert";
import { dirname, fromFileUrl, join, toFileUrl } from "@std/path";
import { deno, ROOT, withFolder } from "../cli/cli_helper.ts";

const NOTEBOOK = fromFileUrl(import.meta.resolve("../../examples/tour.ipynb"));

interface Notebook {
  cells: { cell_type: string; source: string[]; outputs?: unknown[] }[];
}

Deno.test("every cell of the tour runs, and its figures show themselves", async () => {
  const { cells }: Notebook = JSON.parse(await Deno.readTextFile(NOTEBOOK));
  const code = cells.filter(({ cell_type }) => cell_type === "code");
  assert(code.length >= 8);
  for (const { outputs } of code) assertEquals(outputs, [], "the notebook is kept without outputs");
  // What stands behind the last empty line of a cell is its value.
  const script = code.map(({ source }) => {
    const parts = source.join("").trim().split("\n\n");
    const value = parts.pop()!;
    if (/^(await )?(model|device)\[/.test(value)) return value;
    return `${parts.join("\n\n")}\nawait show(${value.replace(/;$/, "")});`;
  }).join("\n");
  await withFolder(async (folder) => {
    const path = join(folder, "tour.ts");
    const examples = toFileUrl(dirname(NOTEBOOK) + "/");
    await Deno.writeTextFile(
      path,
      script.replaceAll(/"(\.\.\/[\w/]*mod\.ts)"/g, (_, door) => `"${new URL(door, examples)}"`)
        .replace(`"./demo_corpus.ts"`, `"${new URL("demo_corpus.ts", examples)}"`)
        .replace(`"tiny-gpt2"`, `"${join(dirname(NOTEBOOK), "tiny-gpt2")}"`) + `
async function show(value: unknown) {
  const display = (value as Record<symbol, () => Record<string, string>> | undefined)?.[Symbol.for("Jupyter.display")];
  console.log("=== cell", display ? Object.keys(display()).join(" ") : value);
}`,
    );
    const ran = await deno(["run", "-A", "--config", join(ROOT, "deno.json"), path], folder);
    assertEquals(ran.code, 0, ran.stderr);
    const values = ran.stdout.split("\n").filter((line) => line.startsWith("=== cell"));
    assertEquals(values.length, code.length - 1);
    assertEquals(values.filter((value) => value.includes("image/svg+xml")).length, 3);
    assertMatch(ran.stdout, /^NMSE 0\.\d+, L0 1\d\.\d; NMSE 0\.\d+, L0 1\d\.\d$/m);
    assertMatch(ran.stdout, /^latent \d+\n.*\[.+\]/m);
    assertMatch(ran.stdout, /^(yes|no|\?) {2}The smaller SAE is incomplete/m);
    assertMatch(ran.stdout, /^latent 0 is composed of \d+ meta-latents/m);
  });
});
