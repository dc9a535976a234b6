import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { parse } from "@std/csv";
import { join } from "@std/path";
import { parseArguments } from "../../cli/options.ts";
import { readGrid } from "../../cli/training_options.ts";
import { TRAINING_OPTIONS } from "../../lib/sweep/option_texts.ts";
import { loadSae, type TrainOptions } from "../../mod.ts";
import { HOOK, MODEL, saewing, withFolder, writeCorpus } from "./cli_helper.ts";

const NAME = "matryoshka_batchtopk";

Deno.test("train takes prefixes, resumes with the same bits, and names prefixes that do not fit", async () => {
  await withFolder(async (folder) => {
    const corpus = await writeCorpus(folder);
    const train = (out: string, ...more: string[]) =>
      saewing([
        ...[
          "train",
          "--model",
          MODEL,
          "--hook",
          HOOK,
          "--text",
          corpus,
          "--out",
          join(folder, out),
        ],
        ...["--architecture", NAME, "--dict-size", "32", "--k", "4", "--batch-size", "128"],
        ...["--buffer", "256", "--decay-steps", "0", "--lr", "1e-3", ...more],
      ]);
    const bad = await train("bad", "--steps", "6", "--prefixes", "8,16");
    assertMatch(bad.stderr, /prefixes ends with 16, expected the dictionary size, 32/);
    const word = await train("bad", "--steps", "6", "--prefixes", "8,all");
    assertMatch(word.stderr, /--prefixes is all, expected a number/);
    const foreign = await train("bad", "--steps", "6", "--architecture", "topk");
    assertMatch(foreign.stderr, /--architecture was given 2 times/);

    const whole = await train("whole", "--steps", "6", "--prefixes", "4,16,32");
    assertEquals(whole.code, 0, whole.stderr);
    const part = await train("part", "--steps", "3", "--prefixes", "4,16,32");
    assertEquals(part.code, 0, part.stderr);
    const rest = await saewing(["train", "--resume", join(folder, "part"), "--steps", "6"]);
    assertEquals(rest.code, 0, rest.stderr);
    const [one, other] = [
      await loadSae(join(folder, "whole", "sae")),
      await loadSae(join(folder, "part", "sae")),
    ];
    assertEquals(one.architecture, NAME);
    assertEquals((one.metadata.training as TrainOptions).prefixes, [4, 16, 32]);
    for (const name of ["wEnc", "bEnc", "wDec", "bDec", "threshold"] as const) {
      assertEquals(other[name], one[name], name);
    }
    const cfg = JSON.parse(await Deno.readTextFile(join(folder, "whole", "sae", "cfg.json")));
    assertEquals(cfg.architecture, "jumprelu");
  });
});

Deno.test("sweep trains nested dictionaries beside plain ones; lists are separated by semicolons", async () => {
  await withFolder(async (folder) => {
    const corpus = await writeCorpus(folder);
    const out = join(folder, "sweep");
    const swept = await saewing([
      ...["sweep", "--model", MODEL, "--hook", HOOK, "--text", corpus, "--eval-text", corpus],
      ...["--eval-rows", "2", "--steps", "4", "--batch-size", "128", "--buffer", "256"],
      ...["--architecture", `batchtopk,${NAME}`, "--dict-size", "32", "--k", "4", "--out", out],
      ...["--prefixes", "4,32;8,16,32"],
    ]);
    assertEquals(swept.code, 0, swept.stderr);
    const rows = parse(await Deno.readTextFile(join(out, "sweep.csv")), { skipFirstRow: true });
    assertEquals(rows.map(({ name }) => name), [
      "batchtopk_m32_k4_seed0",
      `${NAME}_m32_k4_prefixes4-32_seed0`,
      `${NAME}_m32_k4_prefixes8-16-32_seed0`,
    ]);
    assert(rows.every(({ nmse }) => Number(nmse) > 0 && Number(nmse) < 1.5));
  });
});

Deno.test("the grid's file has prefixes as texts", async () => {
  await withFolder(async (folder) => {
    const grid = join(folder, "grid.json");
    await Deno.writeTextFile(
      grid,
      JSON.stringify({ architecture: NAME, "dict-size": 32, k: 4, prefixes: ["4,32", "8,32"] }),
    );
    const names = { values: [...TRAINING_OPTIONS, "grid"], flags: [] };
    const cells = readGrid(parseArguments(["--grid", grid], names));
    assertEquals(cells.map(({ options }) => options.prefixes), [[4, 32], [8, 32]]);
  });
});

Deno.test("help lists the architectures and the options that only some have", async () => {
  for (const command of ["train", "sweep"]) {
    const { stdout } = await saewing([command, "--help"]);
    assertStringIncludes(stdout, "relu, topk, batchtopk, jumprelu, matryoshka_batchtopk");
    assertMatch(stdout, /--prefixes M,M,… +matryoshka_batchtopk: latents of each nested/);
    assertStringIncludes(stdout, "relu, jumprelu: weight of the sparsity loss");
    assert(stdout.split("\n").every((line) => line.length <= 110), "lines are short");
  }
});
