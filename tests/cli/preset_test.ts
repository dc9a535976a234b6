import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { parseArguments } from "../../cli/options.ts";
import { describePreset, presetTexts, readGrid, withPreset } from "../../cli/training_options.ts";
import { TRAINING_OPTIONS } from "../../lib/sweep/option_texts.ts";
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
  const options = withPreset(given);
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
    return { options: withPreset(given), words: describePreset(given)! };
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
  const { text } = withPreset(given);
  assertEquals([text("model"), text("hook"), text("dict-size")], [undefined, undefined, "1024"]);
});

Deno.test("a grid over a preset", () => {
  const options = parseArguments(["--k", "4,8"], { values: [...NAMES.values, "grid"], flags: [] });
  const cells = readGrid(options, { "dict-size": "64", k: "2", lr: "0.001", model: "m" });
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
  const set = (...args: string[]) => withPreset(parseArguments(["--preset", ...args], NAMES));
  const steered = set("paper/relu-feature-splitting", "--target-l0", "40");
  assertEquals([steered.text("sparsity"), steered.text("target-l0")], [undefined, "40"]);
  assertEquals(set("paper/relu-feature-splitting").text("sparsity"), "0.00008");
  const jump = ["--architecture", "batchtopk,jumprelu"];
  assertEquals(set("paper/gpt2-small", ...jump).text("bandwidth"), "0.001");
  assertEquals(set("paper/gpt2-small").text("bandwidth"), undefined);
  assertEquals(set("demo", ...jump).text("bandwidth"), undefined);
});

Deno.test("sweep --preset takes all m and k of the paper, and its λ for JumpReLU", () => {
  const names = { values: NAMES.values, flags: [] };
  const swept = (...args: string[]) => {
    const given = parseArguments(["--preset", ...args], names);
    return {
      cells: readGrid(given, presetTexts(given, true)),
      words: describePreset(given, true)!,
    };
  };
  const { cells, words } = swept(
    ...["paper/gpt2-small", "--architecture", "batchtopk,topk,jumprelu"],
  );
  const sizes = [3072, 6144, 12_288, 24_576];
  const each = (architecture: string, told: string[]) =>
    sizes.flatMap((m) => told.map((one) => `${architecture}_m${m}_${one}_seed0`));
  assertEquals(cells.map(({ name }) => name), [
    ...each("batchtopk", ["k16", "k32", "k64"]),
    ...each("topk", ["k16", "k32", "k64"]),
    ...each("jumprelu", ["lambda0.004", "lambda0.0018", "lambda0.0008"]),
  ]);
  for (const { options } of cells) assertEquals(options.inputNormalization, "layer_norm");
  assertEquals(cells.at(-1)!.options, {
    ...{
      architecture: "jumprelu",
      dictSize: 24_576,
      sparsityCoefficient: 0.0008,
      bandwidth: 0.001,
    },
    ...{ inputNormalization: "layer_norm", bDec: "zero", learningRate: 3e-4, beta1: 0.9 },
    ...{ beta2: 0.99, auxK: 512, deadAfter: 5, decaySteps: 0, steps: 244_141, seed: 0 },
  });
  assertStringIncludes(words, "--dict-size 3072,6144,12288,24576 ");
  assertStringIncludes(words, "--k 16,32,64 ");
  assertStringIncludes(
    words,
    "; this λ (--sparsity) belongs to --input-normalization layer_norm --loss-normalization none and a " +
      "loss that is a mean over samples and d",
  );
  // What is given overrides; a target takes the λ's place, and without JumpReLU there is none.
  const own = swept("paper/gpt2-small", "--dict-size", "768", "--k", "8,9");
  assertEquals(own.cells.map(({ name }) => name), [
    ...["batchtopk_m768_k8_seed0", "batchtopk_m768_k9_seed0"],
  ]);
  assert(!own.words.includes("λ"), own.words);
  const jump = ["--architecture", "jumprelu", "--dict-size", "768"];
  const steered = swept(
    "paper/gemma-2-2b",
    ...jump,
    "--target-l0",
    "16",
    "--target-l0",
    "32",
  );
  assertEquals(steered.cells.map(({ name }) => name), [
    ...["jumprelu_m768_target16_seed0", "jumprelu_m768_target32_seed0"],
  ]);
  const gemma = swept("paper/gemma-2-2b", ...jump);
  assertEquals(gemma.cells.map(({ options }) => options.sparsityCoefficient), [0.02, 0.005, 0.001]);
  const relu = swept("paper/relu-feature-splitting");
  assertEquals(relu.cells.map(({ options }) => [options.dictSize, options.sparsityCoefficient]), [
    ...[768, 1536, 3072, 6144, 12_288, 24_576, 49_152, 98_304].map((m) => [m, 8e-5]),
  ]);
});

Deno.test("a grid's target takes the place of a preset's λ", async () => {
  await withFolder(async (folder) => {
    const file = join(folder, "grid.json");
    await Deno.writeTextFile(file, `{ "target-l0": 8, "dict-size": 64 }`);
    const values = [...NAMES.values, "grid"];
    const given = parseArguments(["--preset", "paper/relu-feature-splitting", "--grid", file], {
      ...{ values, flags: [] },
    });
    const [{ name }] = readGrid(given, presetTexts(given, true));
    assertEquals(name, "relu_m64_target8_seed0");
  });
});

Deno.test("train takes the λ that goes with the preset's k; ReLU's λ is none of JumpReLU's", () => {
  const told = (...args: string[]) => {
    const given = parseArguments(["--preset", ...args], NAMES);
    return { sparsity: withPreset(given).text("sparsity"), words: describePreset(given)! };
  };
  assertEquals(told("paper/gpt2-small", "--architecture", "jumprelu").sparsity, "0.0018");
  assertEquals(told("paper/gemma-2-2b", "--architecture", "jumprelu").sparsity, "0.005");
  const both = told("paper/gpt2-small", "--architecture", "jumprelu,relu");
  assertEquals(both.sparsity, undefined);
  assertMatch(both.words, /not for jumprelu,relu: .*--sparsity 0\.0018/);
  const other = told("paper/relu-feature-splitting", "--architecture", "jumprelu");
  assertEquals(other.sparsity, undefined);
  assertMatch(other.words, /not for jumprelu: --sparsity 0\.00008$/);
});
