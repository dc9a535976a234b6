import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { parse } from "@std/csv";
import { join } from "@std/path";
import { loadSae } from "../../mod.ts";
import type { TrainingWarning } from "../../lib/training/mod.ts";
import { HOOK, MODEL, saewing, withFolder, writeCorpus } from "./cli_helper.ts";

Deno.test("train --target-l0 records the path of λ; warnings are told, kept and in the report", async () => {
  await withFolder(async (folder) => {
    const corpus = await writeCorpus(folder);
    const run = join(folder, "run");
    const command = [
      ...["train", "--model", MODEL, "--hook", HOOK, "--text", corpus, "--dict-size", "32"],
      ...["--architecture", "relu", "--steps", "22", "--batch-size", "64", "--buffer", "128"],
      ...["--eval-text", corpus, "--eval-rows", "2", "--out", run],
    ];
    const both = await saewing([...command, "--target-l0", "4", "--sparsity", "0.1"]);
    assertEquals(both.code, 1);
    assertStringIncludes(both.stderr, "expected one of them");
    // A rate at which nothing can be learned.
    const trained = await saewing([...command, "--target-l0", "4", "--lr", "30"]);
    assertEquals(trained.code, 0, trained.stderr);
    assertMatch(trained.stderr, /warning: at step 22 the reconstruction loss is .*, above that of/);
    const sae = await loadSae(join(run, "sae"));
    const warnings = sae.metadata.warnings as TrainingWarning[];
    assert(warnings.some(({ kind }) => kind === "divergence"));
    assertStringIncludes(await Deno.readTextFile(join(run, "report.html")), "At step 22 the recon");
    const csv = await Deno.readTextFile(join(run, "metrics.csv"));
    const steps = parse(csv, { skipFirstRow: true });
    const lambdas = steps.map(({ sparsityCoefficient }) => Number(sparsityCoefficient));
    assertEquals([lambdas[9] === lambdas[0], lambdas[10] === lambdas[9]], [true, false]);
    assertEquals(steps.map(({ meanLoss }) => meanLoss !== "").indexOf(true), 0);
    assertEquals(steps[1].meanLoss, "");
    const config = JSON.parse(await Deno.readTextFile(join(run, "config.json")));
    assertEquals(config.targetL0, 4);
  });
});

Deno.test("a sweep takes several targets, and lists what its SAEs are warned of", async () => {
  await withFolder(async (folder) => {
    const corpus = await writeCorpus(folder);
    const out = join(folder, "sweep");
    const swept = await saewing([
      ...["sweep", "--model", MODEL, "--hook", HOOK, "--text", corpus, "--eval-text", corpus],
      ...["--eval-rows", "2", "--steps", "20", "--batch-size", "64", "--buffer", "128"],
      ...["--architecture", "jumprelu", "--dict-size", "32", "--target-l0", "3,6", "--lr", "30"],
      ...["--out", out],
    ]);
    assertEquals(swept.code, 0, swept.stderr);
    assertMatch(swept.stderr, /warning: jumprelu_m32_target3_seed0: at step 20/);
    const rows = parse(await Deno.readTextFile(join(out, "sweep.csv")), { skipFirstRow: true });
    const names = ["jumprelu_m32_target3_seed0", "jumprelu_m32_target6_seed0"];
    assertEquals(rows.map(({ name, targetL0 }) => [name, targetL0]), [
      [names[0], "3"],
      [names[1], "6"],
    ]);
    for (const { warnings } of rows) assertStringIncludes(warnings!, "divergence");
    const page = await Deno.readTextFile(join(out, "sweep.html"));
    assertStringIncludes(page, "What went wrong in training");
  });
});
