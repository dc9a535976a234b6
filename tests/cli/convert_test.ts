import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { loadSae } from "../../mod.ts";
import { ROOT, saewing, withFolder } from "./cli_helper.ts";

const GEMMA = join(ROOT, "tests/fixtures/npz/stored.npz");

Deno.test("convert: a Gemma Scope archive becomes a folder, and says what it was", async () => {
  await withFolder(async (folder) => {
    const out = join(folder, "new", "sae");
    const ran = await saewing(["convert", GEMMA, out]);
    assertEquals(ran.code, 0, ran.stderr);
    assertMatch(ran.stdout, /format +gemma-scope\n.*jumprelu\n.*dModel +3\n.*dictSize +4\n/);
    assertStringIncludes(ran.stdout, `written to ${out}`);
    assertEquals(await loadSae(out), await loadSae(GEMMA));

    const again = await saewing(["convert", GEMMA, out]);
    assertEquals(again.code, 2);
    assertStringIncludes(again.stderr, "holds what `saewing convert` finished");
    assertStringIncludes(again.stderr, "take another folder, or --overwrite replaces it");
    const machine = await saewing(["convert", out, out, "--overwrite", "--json"]);
    assertEquals(machine.code, 0, machine.stderr);
    const { type, format, dictSize, architecture } = JSON.parse(machine.stdout);
    assertEquals([type, format, dictSize, architecture], ["result", "gemma-scope", 4, "jumprelu"]);
  });
});

Deno.test("convert: --set helps a config that says too little", async () => {
  await withFolder(async (folder) => {
    const [from, out] = [join(folder, "from"), join(folder, "out")];
    assertEquals((await saewing(["convert", GEMMA, from])).code, 0);
    const path = join(from, "cfg.json");
    const { metadata: _, ...cfg } = JSON.parse(await Deno.readTextFile(path));
    const flat = { ...cfg, architecture: "topk", rescale_acts_by_decoder_norm: true, d_in: 3 };
    await Deno.writeTextFile(path, JSON.stringify(flat));
    const refused = await saewing(["convert", from, out]);
    assertEquals(refused.code, 1);
    assertStringIncludes(
      refused.stderr,
      "k is missing, expected a whole number from 1 to d_sae = 4",
    );
    const jumprelu = await saewing(["convert", from, out, "--set", "architecture=jumprelu"]);
    assertEquals(jumprelu.code, 0, jumprelu.stderr);
    assertEquals((await loadSae(out)).threshold, new Float32Array([0.5, 1, 2, 4]));
  });
});

Deno.test("convert: what does not fit says so", async () => {
  await withFolder(async (folder) => {
    const cases: [args: string[], code: number, error: string][] = [
      [[], 2, "the SAE is missing"],
      [[GEMMA], 2, "the folder to write is missing"],
      [[GEMMA, folder, "more"], 2, "unexpected argument more"],
      [[GEMMA, folder, "--set", "k"], 2, "--set is k, expected KEY=VALUE"],
      [[join(folder, "none"), join(folder, "out")], 1, "there is no such folder or file"],
      [["someone/some-sae", join(folder, "out"), "--offline"], 1, "none of cfg.json, params.npz"],
      [[GEMMA, join(GEMMA, "x")], 1, "expected a folder"],
    ];
    for (const [args, code, error] of cases) {
      const ran = await saewing(["convert", ...args]);
      assertEquals([ran.code, ran.stderr.includes(error)], [code, true], ran.stderr);
    }
    assertEquals(Array.from(Deno.readDirSync(folder)), []);
  });
});
