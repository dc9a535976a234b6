import { assert, assertAlmostEquals, assertEquals, assertStringIncludes } from "@std/assert";
import { parse } from "@std/csv";
import { join } from "@std/path";
import { createRandom, initializeSae, loadSae, type Sae, saveSae } from "../../mod.ts";
import { decompose, type Explains } from "../../lib/meta/mod.ts";
import { HOOK, MODEL, saewing, startSaewing, withFolder, writeCorpus } from "./cli_helper.ts";
import { openTestDevice } from "../gpu_helper.ts";

function tinySae(dictSize: number, seed: number): Sae {
  const sae = initializeSae({
    ...{ architecture: "batchtopk", dModel: 128, dictSize, k: 4 },
    random: createRandom(seed),
  });
  sae.threshold = new Float32Array(dictSize).fill(0.4);
  sae.metadata = { model: MODEL, hook: HOOK, contextSize: 32, training: { seed } };
  return sae;
}

/** SAEs of 8, 80 and 24 latents; each row of the second is the sum of two of the first, at norm 1. */
async function writeSaes(folder: string): Promise<Record<"atoms" | "large" | "other", string>> {
  const [atoms, large, other] = [tinySae(8, 0), tinySae(80, 1), tinySae(24, 3)];
  const random = createRandom(7);
  for (let i = 0; i < 80; i++) {
    const first = random.below(8);
    const second = (first + 1 + random.below(7)) % 8;
    const row = Float32Array.from(
      { length: 128 },
      (_, c) => atoms.wDec[first * 128 + c] + atoms.wDec[second * 128 + c],
    );
    large.wDec.set(row.map((value) => value / Math.hypot(...row)), i * 128);
  }
  const paths = {
    atoms: join(folder, "atoms", "sae"),
    large: join(folder, "large", "sae"),
    other: join(folder, "other", "sae"),
  };
  await Promise.all([[atoms, "atoms"], [large, "large"], [other, "other"]].map(
    ([sae, name]) => saveSae(sae as Sae, paths[name as keyof typeof paths]),
  ));
  return paths;
}

const TRAINING = ["--dict-size", "8", "--k", "2", "--lr", "2e-2", "--epochs", "120"];

Deno.test("meta decomposes an SAE, compares it with others, and writes tables, plots and a report", async () => {
  await withFolder(async (folder) => {
    const { atoms, large, other } = await writeSaes(folder);
    const text = await writeCorpus(folder);
    const out = join(folder, "out");
    const { code, stdout, stderr } = await saewing([
      ...["meta", large, "--compare", other, atoms, ...TRAINING, "--text", text],
      ...["--examples", "4", "--out", out, "--json"],
    ]);
    assertEquals(code, 0, stderr);
    const lines = stdout.trim().split("\n").map((line) => JSON.parse(line));
    const result = lines.at(-1)!;
    const trainings = lines.filter(({ training }) => training).map((line) => line.training);
    assertEquals(
      [...new Set(trainings)],
      [
        ...["meta-SAE", "control", "control, one meta-latent per row"],
        "control of the same covariance",
        "control of the same covariance, one meta-latent per row",
        "meta-SAE, one meta-latent per row",
        ...["rows of atoms, and random ones", "rows of other, and random ones"],
      ],
    );
    // 8 directions explain sums of two of them; of random rows they cannot explain much.
    assert(result.explainedVariance > 0.7, `${result.explainedVariance}`);
    const { isotropic, matched, single } = result.controls;
    assert(isotropic.explainedVariance < 0.4, `${isotropic.explainedVariance}`);
    const [first, second] = result.compared;
    assertEquals([first.name, second.name], ["atoms", "other"]);
    assert(first.meanCosine > 0.6 && second.meanCosine < 0.3, JSON.stringify(result.compared));
    const chance = [first, second].map(({ chanceCosine }) => chanceCosine.isotropic);
    assert(chance[0] < chance[1] && chance[1] < 0.3);
    assert(first.replaced.explainedVariance > second.replaced.explainedVariance);
    // 8 directions alone explain much of anything in their span, not as much of sums of two.
    assert(result.explainedVariance > matched.explainedVariance, JSON.stringify(result.controls));
    assert(result.explainedVariance > single.explainedVariance, JSON.stringify(result.controls));
    const { replaced, replacedControls } = first;
    for (const random of [replacedControls.isotropic, replacedControls.matched]) {
      assert(replaced.explainedVariance > random.explainedVariance + 0.1, JSON.stringify(first));
    }
    assertEquals(result.claims.length, 5);
    for (const { holds, why } of result.claims) {
      assertEquals(typeof (holds ?? why), holds === undefined ? "string" : "boolean");
    }

    // What was saved explains the SAE, and says which.
    const meta = await loadSae(join(out, "meta"));
    const explains = meta.metadata.explains as Explains;
    assertEquals([explains.name, explains.dictSize, meta.dictSize, meta.k], [large, 80, 8, 2]);
    // 0, 1 and 3 are those of the SAEs.
    assertEquals((meta.metadata.training as { seed: number }).seed, 2);
    using gpu = await openTestDevice();
    const { latents, metaLatents, explainedVariance } = await decompose(
      gpu,
      meta,
      await loadSae(large),
    );
    assertAlmostEquals(explainedVariance, result.explainedVariance, 1e-12);
    const table = async (name: string) =>
      parse(await Deno.readTextFile(join(out, `${name}.csv`)), { skipFirstRow: true });
    const forward = await table("latent_meta_latents");
    const back = await table("meta_latent_latents");
    assertEquals([forward.length, back.length], [latents.values.length, metaLatents.values.length]);
    const sum = (rows: Record<string, string | undefined>[]) =>
      rows.reduce((total, { weight }) => total + Number(weight), 0);
    assertAlmostEquals(sum(forward), sum(back), 1e-9);
    const key = (row: Record<string, string | undefined>) => `${row.latent} ${row.metaLatent}`;
    assertEquals(forward.map(key).sort(), back.map(key).sort());
    const rows = await table("latents");
    assertEquals(rows.length, 80);
    assert(rows.some(({ tokens }) => /^“.+”/.test(tokens!)));
    assertEquals((await table("meta_latents")).length, 8);
    const comparison = await table("compared");
    assertEquals(comparison.map(({ sae }) => sae), ["atoms", "other"]);
    const claims = await table("claims");
    assertEquals(claims.length, 5);
    // Two passes over 80 rows decide nothing, and every claim says why.
    assert(claims.every(({ verdict, why }) => verdict === "not decided" && why !== ""));
    assertEquals(
      comparison.map((row) => Number(row.randomExplainedVariance)),
      [first, second].map(({ replacedControls }) => replacedControls.isotropic.explainedVariance),
    );

    const page = await Deno.readTextFile(join(out, "report.html"));
    assert(!/NaN|undefined/.test(page));
    for (
      const part of ["large, decomposed", "Fig. 6", "Fig. 23", "not decided", "Decomposition of"]
    ) {
      assertStringIncludes(page, part);
    }
    const plots = [...Deno.readDirSync(join(out, "plots"))].map(({ name }) => name).sort();
    assertEquals(
      plots,
      ["cosine_atoms.svg", "cosine_other.svg", "mean_cosine.svg", "replacement.svg"],
    );

    // The saved one in place of training gives the same, without text too.
    const again = join(folder, "again");
    const ran = await saewing([
      ...["meta", large, "--meta", join(out, "meta"), "--compare", other, "--latents", "3,1"],
      ...["--no-control", "--out", again, "--json"],
    ]);
    assertEquals(ran.code, 0, ran.stderr);
    const repeated = JSON.parse(ran.stdout.trim().split("\n").at(-1)!);
    for (const name of ["explainedVariance", "l0", "deadMetaLatents"]) {
      assertEquals(repeated[name], result[name]);
    }
    // Without controls random unit rows stand beside the replacement all the same.
    const { isotropic: unit } = second.replacedControls;
    assertEquals(repeated.compared, [{ ...second, replacedControls: { isotropic: unit } }]);
    assertEquals(repeated.controls, undefined);
    for (const { holds } of repeated.claims) assertEquals(holds, undefined);
    for (const name of ["latent_meta_latents", "meta_latent_latents"]) {
      assertEquals(
        await Deno.readTextFile(join(again, `${name}.csv`)),
        await Deno.readTextFile(join(out, `${name}.csv`)),
      );
    }
    const numbers = await Deno.readTextFile(join(again, "report.html"));
    const shown = [...numbers.matchAll(/id="latent-(\d+)"/g)].map(([, latent]) => latent);
    assertEquals(shown, ["3", "1"]);
    assertStringIncludes(numbers, "No text was read");
  });
});

Deno.test("meta interrupted saves what it learned so far", async () => {
  await withFolder(async (folder) => {
    const { large } = await writeSaes(folder);
    const out = join(folder, "out");
    const running = startSaewing(["meta", large, "--epochs", "1000000", "--out", out, "--json"]);
    await running.said('"training"');
    running.signal("SIGINT");
    const { code, stdout } = await running.ran;
    assertEquals(code, 130);
    const result = JSON.parse(stdout.trim().split("\n").at(-1)!);
    assertEquals([result.interrupted, result.meta], [true, join(out, "meta")]);
    const meta = await loadSae(join(out, "meta"));
    // 3/64 of 80 are fewer than 2·4.
    assertEquals([meta.dictSize, meta.k], [8, 4]);
    assert((meta.metadata.steps as number) >= 1);
  });
});

Deno.test("meta says what does not fit before it works", async () => {
  await withFolder(async (folder) => {
    const { atoms, large, other } = await writeSaes(folder);
    const moved = tinySae(24, 5);
    moved.metadata.hook = "blocks.1.hook_resid_pre";
    const elsewhere = join(folder, "elsewhere");
    await saveSae(moved, elsewhere);
    const foreign = tinySae(8, 6);
    foreign.metadata.explains = { name: "b", dictSize: 80, dModel: 128, decoderDigest: "00" };
    const another = join(folder, "another");
    await saveSae(foreign, another);
    const unknown = tinySae(24, 5);
    unknown.metadata = {};
    const nameless = join(folder, "nameless");
    await saveSae(unknown, nameless);
    const cases: [string[], number, string][] = [
      [[], 2, "the SAE is missing"],
      [[large, atoms], 2, `unexpected argument ${atoms}: --compare goes before other SAEs`],
      [["--compare", atoms, large, other], 2, "comes first, before the options"],
      [[large, "--meta", atoms, "--k", "3"], 2, "--k does not go with --meta"],
      [[large, "--epochs", "0"], 2, "--epochs is 0, expected a whole number from 1 on"],
      [[large, "--lr", "fast"], 2, "--lr is fast, expected a number"],
      [[large, "--latents", "3,80"], 2, "--latents is 3,80, expected whole numbers below 80"],
      [[large, "--examples", "0"], 2, "--examples is 0, expected a whole number from 1 on"],
      [[nameless, "--text", "x"], 2, "--model is missing"],
      [[large, "--text", join(folder, "none.txt")], 1, "none.txt"],
      [[large, "--compare", elsewhere], 1, "elsewhere cannot be compared with large"],
      [[large, "--meta", atoms], 2, "is not a meta-SAE: by its config it is an SAE of blocks"],
      [[large, "--meta", another], 1, "sae is not the SAE (b) that the meta-SAE explains"],
      [[large, "--dict-size", "90", "--epochs", "1"], 1, "dictSize is 90, but there are 80 rows"],
      [[join(folder, "none")], 1, "none"],
    ];
    const ran = await Promise.all(
      cases.map(([args], i) => saewing(["meta", ...args, "--out", join(folder, `never${i}`)])),
    );
    for (const [i, { code, stderr }] of ran.entries()) {
      assertStringIncludes(stderr, cases[i][2]);
      assertEquals(code, cases[i][1], stderr);
    }
  });
});
