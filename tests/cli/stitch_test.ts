import { assert, assertAlmostEquals, assertEquals, assertStringIncludes } from "@std/assert";
import { parse } from "@std/csv";
import { join } from "@std/path";
import { createRandom, initializeSae, type Sae, saveSae, writeActivations } from "../../mod.ts";
import { HOOK, MODEL, saewing, withFolder, writeCorpus } from "./cli_helper.ts";

/** SAEs of 24, 40 and 48 latents: each holds half of the one before, a little turned. */
async function writeChain(folder: string): Promise<string[]> {
  const sizes = [24, 40, 48];
  const folders: string[] = [];
  let before: Sae | undefined;
  for (const [i, dictSize] of sizes.entries()) {
    const sae: Sae = initializeSae({
      architecture: i === 1 ? "relu" : "batchtopk",
      dModel: 128,
      dictSize,
      k: 4,
      random: createRandom(i),
    });
    if (before) {
      const half = before.dictSize / 2 * 128;
      const random = createRandom(10 + i);
      for (const name of ["wEnc", "wDec"] as const) {
        for (let at = 0; at < half; at++) {
          sae[name][at] = before[name][at] + 0.02 * (random.uniform() - 0.5);
        }
      }
    }
    if (sae.architecture === "batchtopk") sae.threshold = new Float32Array(dictSize).fill(0.4);
    else delete sae.k;
    sae.bDec.fill(0.01 * i);
    sae.metadata = { model: MODEL, hook: HOOK, contextSize: 32 };
    const path = join(folder, `m${dictSize}`, "sae");
    await saveSae(sae, path);
    folders.push(path);
    before = sae;
  }
  return folders;
}

Deno.test("stitch measures a chain of SAEs and writes tables, plots and a report", async () => {
  await withFolder(async (folder) => {
    const saes = await writeChain(folder);
    const text = await writeCorpus(folder);
    const out = join(folder, "out");
    const { code, stdout, stderr } = await saewing([
      ...["stitch", ...saes, "--text", text, "--samples", "300", "--examples", "2"],
      ...["--threshold", "0.6", "--also", saes[0], "--out", out, "--json"],
    ]);
    assertEquals(code, 0, stderr);
    const { saes: rows, pairs } = JSON.parse(stdout.trim().split("\n").at(-1)!);
    assertEquals(rows.map((row: { name: string }) => row.name), ["m24", "m40", "m48"]);
    assertEquals(pairs.map(({ pair }: { pair: string }) => pair), ["m24 → m40", "m40 → m48"]);

    const table = async (name: string) =>
      parse(await Deno.readTextFile(join(out, `${name}.csv`)), { skipFirstRow: true });
    const latents = await table("latents_m24_to_m40");
    assertEquals(latents.length, 40);
    // The first twelve are the small SAE's, a little turned; random directions are far apart.
    assertEquals(latents.map(({ novel }) => novel).slice(0, 12), Array(12).fill("0"));
    assert(latents.filter(({ novel }) => novel === "1").length > 20);
    const path = await table("path_m24_to_m40");
    for (const [point, row] of [[path[0], rows[0]], [path.at(-1)!, rows[1]]]) {
      assertAlmostEquals(Number(point.mse) / row.mse, 1, 1e-4);
      assertAlmostEquals(Number(point.l0), row.l0, 1e-9);
    }
    const overlap = await table("overlap");
    assertEquals(overlap.map(({ sae }) => sae), ["m24", "m40", "m48", "m24 (4)"]);
    assertEquals(Number(overlap[0].m40), 0.5);
    assertEquals(Number(overlap[0]["m24 (4)"]), 1);

    const page = await Deno.readTextFile(join(out, "report.html"));
    for (
      const part of ["m24 → m40", "m40 → m48", "Fig. 4", "Fig. 19", "one-to-one", "not decided"]
    ) {
      assertStringIncludes(page, part);
    }
    const plots = [...Deno.readDirSync(join(out, "plots"))].map(({ name }) => name);
    for (const name of ["path_mse.svg", "roc.svg", "effects_m24_to_m40.svg", "shrinkage.svg"]) {
      assert(plots.includes(name), name);
    }
    // Untrained SAEs on 300 samples decide nothing, and say why; both kinds of effects are there.
    const claims = await table("claims");
    assertEquals(claims.length, 22);
    for (const { verdict, why } of claims) {
      assertEquals(verdict, "not decided");
      assertStringIncludes(why!, "300 samples are too few");
    }
    const controls = await table("controls");
    assertEquals(controls.map(({ sae }) => sae), ["m24", "m40", "m40", "m48"]);
    for (const row of controls) assert(Number(row.gain) >= 0 && Number(row.randomNmse) > 0);
    assert(latents.some(({ deltaMse, deltaMseWithGain }) => deltaMse !== deltaMseWithGain));
    assertAlmostEquals(
      Number(path[0].mseWithGain) / Number(path[0].mse),
      Number(controls[0].nmseWithGain) / Number(controls[0].nmse),
      1e-4,
    );
    assertEquals(pairs[0].controls.small.dictSize, 24);
  });
});

Deno.test("stitch of one sample: no cell that is no number, warnings where people read", async () => {
  await withFolder(async (folder) => {
    const [small, large] = await writeChain(folder);
    const out = join(folder, "out");
    const { code, stdout, stderr } = await saewing([
      ...["stitch", small, large, "--text", await writeCorpus(folder), "--samples", "1"],
      ...["--examples", "0", "--out", out],
    ]);
    assertEquals(code, 0, stderr);
    assertStringIncludes(stdout, "  Note: the small SAE is batchtopk, the large one relu");
    // A reason for all claims is said once.
    assertEquals(stdout.match(/1 samples are too few/g)?.length, 1);
    assertStringIncludes(stdout, "  Nothing is decided: the activations do not vary");
    for (const { name, isFile } of Deno.readDirSync(out)) {
      if (!isFile) continue;
      const text = await Deno.readTextFile(join(out, name));
      assert(!/NaN|Infinity/.test(text), name);
    }
    const saes = parse(await Deno.readTextFile(join(out, "saes.csv")), { skipFirstRow: true });
    assertEquals(saes.map(({ nmse }) => nmse), ["", ""]);
  });
});

Deno.test("stitch reads all activations of a store, fewer than a batch too", async () => {
  await withFolder(async (folder) => {
    const [small, large] = await writeChain(folder);
    const store = join(folder, "store");
    const random = createRandom(3);
    const data = Float32Array.from({ length: 50 * 128 }, () => random.uniform() - 0.5);
    await writeActivations([{ data, rows: 50, cols: 128 }], store, {
      ...{ model: MODEL, hook: HOOK, contextSize: 32, skipPositions: [0], normLimit: "none" },
    });
    const { code, stdout, stderr } = await saewing([
      ...["stitch", small, large, "--activations", store, "--out", join(folder, "out")],
    ]);
    assertEquals(code, 0, stderr);
    assertStringIncludes(stdout, "50 activations of");
  });
});

Deno.test("stitch says what does not fit before it works", async () => {
  await withFolder(async (folder) => {
    const saes = await writeChain(folder);
    const file = join(saes[0], "cfg.json");
    const cases: [string[], number, string][] = [
      [[saes[0], "--text", "x"], 2, "1 SAEs were given, expected at least 2"],
      [[saes[0], saes[1]], 2, "--text is missing"],
      [[...saes, "--text", "x", "--threshold", "7"], 2, "--threshold is 7, expected a cosine"],
      [[...saes, "--text", "x", "--order", "size"], 2, "--order is size, expected benefit"],
      [[...saes, "--text", "x", "--samples", "0"], 2, "--samples is 0, expected a whole number"],
      [[...saes, "--text", "x", "--seed", "1.5"], 2, "--seed is 1.5, expected a whole number"],
      [[...saes, "--text", "x", "--examples", "1.5"], 2, "--examples is 1.5, expected a whole"],
      [[...saes, "--text", "x", "--threshold", "-1"], 2, "write a number below 0 as --name=-1"],
      [[...saes, "--text", "x", "--out", file], 1, file],
      [[saes[0], saes[1], "--sizes", "3"], 2, "--sizes can be used only with a collection's name"],
      [["gpt2-feature-splitting", "--sizes", "768,7"], 2, "has no SAE of 7 latents"],
      [["gpt2-feature-splitting", saes[0]], 2, "beside a collection"],
      [[saes[0], join(folder, "none"), "--text", "x"], 1, "none"],
    ];
    const ran = await Promise.all(cases.map(([args]) => saewing(["stitch", ...args])));
    for (const [i, { code, stderr }] of ran.entries()) {
      assertEquals(code, cases[i][1], stderr);
      assertStringIncludes(stderr, cases[i][2]);
    }
  });
});
