import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { parseArguments } from "../../cli/arguments.ts";
import { describePreset, withPreset } from "../../cli/preset_options.ts";
import { readGrid } from "../../cli/sweep_grid.ts";
import { TRAINING_OPTIONS } from "../../cli/training_options.ts";
import { PRESET_NAMES } from "../../mod.ts";
import { MODEL, saewing, withFolder, writeCorpus } from "./cli_helper.ts";

const NAMES = {
  values: [
    ...TRAINING_OPTIONS,
    ...["preset", "activations", "model", "hook", "context", "buffer", "batch-size", "epochs"],
  ],
  flags: [],
};

Deno.test("a preset sets what is not given, and says so", () => {
  const given = parseArguments(["--preset", "paper/gpt2-small", "--k", "64"], NAMES);
  const options = withPreset(given, NAMES);
  assertEquals([options.text("k"), options.number("lr")], ["64", 3e-4]);
  assertEquals([options.text("model"), options.number("context")], ["Xenova/gpt2", 128]);
  const told = describePreset(given)!;
  assertMatch(told, /^preset paper\/gpt2-small sets --model Xenova\/gpt2 .* --lr 0\.0003 .*; over/);
  assertMatch(told, /; overridden: --k 32$/);
  // All that is told is all that is set.
  const set = [...told.split(";")[0].matchAll(/--(\S+) (\S+)/g)].map(([, name, text]) => [
    name,
    [text],
  ]);
  assertEquals(Object.fromEntries(set), {
    ...Object.fromEntries(
      Object.entries(options.given).filter(([name]) => !["preset", "k"].includes(name)),
    ),
  });
  assertEquals(describePreset(parseArguments([], NAMES)), undefined);
});

Deno.test("a preset leaves out what the asked-for architecture has not", () => {
  const told = (...args: string[]) => {
    const given = parseArguments(["--preset", ...args], NAMES);
    return { options: withPreset(given, NAMES), words: describePreset(given)! };
  };
  const relu = told("demo", "--architecture", "relu", "--sparsity", "0.1");
  assertEquals([relu.options.text("k"), relu.options.text("steps")], [undefined, "400"]);
  assertMatch(
    relu.words,
    /sets --model .* --dict-size 1024 .*; overridden: --architecture batchtopk; not for relu: --k 16$/,
  );
  const paper = told("paper/gpt2-small", "--architecture", "jumprelu");
  assertEquals(paper.options.text("aux-coefficient"), undefined);
  assertMatch(paper.words, /--input-normalization layer_norm/);
  // One of two has a k: it stays, for that one.
  const both = told("demo", "--architecture", "topk,relu");
  assertEquals([both.options.text("k"), both.words.includes("not for")], ["16", false]);
  const back = told("paper/relu-feature-splitting", "--architecture", "topk", "--k", "8");
  assertEquals([back.options.text("k"), back.options.text("sparsity")], ["8", undefined]);
  assertMatch(back.words, /not for topk: --sparsity 0\.00008$/);
});

Deno.test("a store says itself what model and hook are", () => {
  const given = parseArguments(["--preset", "demo", "--activations", "a"], NAMES);
  const { text } = withPreset(given, NAMES);
  assertEquals([text("model"), text("hook"), text("dict-size")], [undefined, undefined, "1024"]);
});

Deno.test("a grid over a preset", async () => {
  const options = parseArguments(["--k", "4,8"], { values: [...NAMES.values, "grid"], flags: [] });
  const cells = await readGrid(options, { "dict-size": "64", k: "2", lr: "0.001", model: "m" });
  assertEquals(cells.map(({ name }) => name), ["batchtopk_m64_k4_seed0", "batchtopk_m64_k8_seed0"]);
  assertEquals(cells[0].options.learningRate, 0.001);
});

Deno.test("train --preset; the help lists them, an unknown one is refused", async () => {
  await withFolder(async (folder) => {
    const corpus = await writeCorpus(folder);
    const out = join(folder, "run");
    const ran = await saewing([
      ...["train", "--preset", "demo", "--model", MODEL, "--text", corpus, "--steps", "2"],
      ...["--dict-size", "32", "--k", "4", "--batch-size", "128", "--out", out],
    ]);
    assertEquals(ran.code, 0, ran.stderr);
    assertStringIncludes(ran.stdout, "sets --hook blocks.2.hook_resid_pre --architecture batch");
    assertStringIncludes(ran.stdout, "; overridden: --model examples/tiny-gpt2");
    const config = JSON.parse(await Deno.readTextFile(join(out, "config.json")));
    assertEquals([config.dictSize, config.k], [32, 4]);
    const resumed = await saewing(["train", "--resume", out, "--steps", "3"]);
    assertEquals(resumed.code, 0, resumed.stderr);
    const other = await saewing(["train", "--resume", out, "--preset", "demo"]);
    assertStringIncludes(other.stderr, "--preset does not go with --resume");
  });
  const help = await saewing(["train", "--help"]);
  for (const name of PRESET_NAMES) assertStringIncludes(help.stdout, `\n  ${name} `);
  const unknown = await saewing(["train", "--preset", "demos"]);
  assertStringIncludes(unknown.stderr, "there is no preset demos, expected paper/gpt2-small, ");
  assertEquals(unknown.code, 2);
});

Deno.test("a target L0 takes the place of a preset's λ; JumpReLU beside the paper's has its bandwidth", () => {
  const set = (...args: string[]) =>
    withPreset(parseArguments(["--preset", ...args], NAMES), NAMES);
  const steered = set("paper/relu-feature-splitting", "--target-l0", "40");
  assertEquals([steered.text("sparsity"), steered.text("target-l0")], [undefined, "40"]);
  assertEquals(set("paper/relu-feature-splitting").text("sparsity"), "0.00008");
  const jump = ["--architecture", "batchtopk,jumprelu"];
  assertEquals(set("paper/gpt2-small", ...jump).text("bandwidth"), "0.001");
  assertEquals(set("paper/gpt2-small").text("bandwidth"), undefined);
  assertEquals(set("demo", ...jump).text("bandwidth"), undefined);
});
