import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { parse } from "@std/csv";
import { join } from "@std/path";
import { loadSae } from "../../mod.ts";
import { HOOK, MODEL, saewing, withFolder, writeCorpus } from "./cli_helper.ts";

Deno.test("train writes a run folder that eval can measure", async () => {
  await withFolder(async (folder) => {
    const corpus = await writeCorpus(folder);
    const run = join(folder, "run");
    const trained = await saewing([
      ...["train", "--model", MODEL, "--hook", HOOK, "--text", corpus, "--dict-size", "64"],
      ...["--k", "4", "--steps", "12", "--batch-size", "256", "--buffer", "512", "--lr", "1e-3"],
      ...["--seed", "3", "--out", run, "--eval-text", corpus, "--eval-rows", "4"],
    ]);
    assertEquals(trained.code, 0, trained.stderr);
    assertStringIncludes(trained.stdout, "12 steps in");
    assertStringIncludes(trained.stdout, "cross-entropy, spliced");

    const lines = (await Deno.readTextFile(join(run, "metrics.jsonl"))).trim().split("\n");
    assertEquals(
      lines.map((line) => JSON.parse(line).step),
      Array.from({ length: 12 }, (_, i) => i + 1),
    );
    const table = parse(await Deno.readTextFile(join(run, "metrics.csv")), { skipFirstRow: true });
    assertEquals(table.length, 12);
    assertEquals(Number(table[11].loss), JSON.parse(lines[11]).loss);
    const config = JSON.parse(await Deno.readTextFile(join(run, "config.json")));
    assertEquals([config.dictSize, config.k, config.seed], [64, 4, 3]);
    const html = await Deno.readTextFile(join(run, "report.html"));
    assertStringIncludes(html, "<svg");
    assert(!/https?:\/\/(?!www\.w3\.org)/.test(html), "the report reaches for the network");

    const sae = await loadSae(join(run, "sae"));
    assertEquals([sae.architecture, sae.dictSize, sae.dModel, sae.k], ["batchtopk", 64, 128, 4]);
    assertEquals(sae.metadata.hook, HOOK);
    assert(sae.threshold![0] > 0);

    const shared = ["eval", run, "--text", corpus, "--rows", "4", "--json"];
    const measured = await saewing(shared);
    assertEquals(measured.code, 0, measured.stderr);
    const { evaluation, crossEntropy } = JSON.parse(measured.stdout.trim().split("\n").at(-1)!);
    const written = JSON.parse(await Deno.readTextFile(join(run, "evaluation.json")));
    assertEquals(evaluation.nmse, written.nmse);
    assertEquals(crossEntropy, written.crossEntropy);
    const batch = await saewing([...shared, "--selection", "batch"]);
    const exact = JSON.parse(batch.stdout.trim().split("\n").at(-1)!).evaluation;
    assertEquals(exact.l0, 4);
  });
});

Deno.test("train and eval of a JumpReLU SAE", async () => {
  await withFolder(async (folder) => {
    const corpus = await writeCorpus(folder);
    const run = join(folder, "run");
    const shared = ["train", "--model", MODEL, "--hook", HOOK, "--text", corpus];
    const options = ["--dict-size", "64", "--architecture", "jumprelu", "--steps", "4"];
    const missing = await saewing([...shared, ...options]);
    assertEquals(missing.code, 2);
    assertStringIncludes(missing.stderr, "--target-l0 is missing");
    const trained = await saewing([
      ...[...shared, ...options, "--sparsity", "1e-3", "--bandwidth", "0.1", "--out", run],
      ...["--initial-threshold", "0.2", "--loss-normalization", "input_deviation"],
      ...["--batch-size", "256", "--buffer", "512", "--eval-text", corpus, "--eval-rows", "4"],
    ]);
    assertEquals(trained.code, 0, trained.stderr);
    const { architecture, threshold, subtractDecoderBias, metadata } = await loadSae(
      join(run, "sae"),
    );
    assertEquals([architecture, subtractDecoderBias], ["jumprelu", true]);
    assert(threshold!.some((value) => Math.abs(value - 0.2) > 1e-5));
    const { sparsityCoefficient, bandwidth, lossNormalization } = metadata.training as Record<
      string,
      unknown
    >;
    assertEquals([sparsityCoefficient, bandwidth, lossNormalization], [
      1e-3,
      0.1,
      "input_deviation",
    ]);
    const html = await Deno.readTextFile(join(run, "report.html"));
    assertStringIncludes(html, "Mean threshold");
  });
});
