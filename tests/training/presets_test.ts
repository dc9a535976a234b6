import { assert, assertEquals, assertThrows } from "@std/assert";
import { preset, PRESET_NAMES } from "../../mod.ts";
import { completeOptions } from "../../lib/training/complete_options.ts";

Deno.test("presets are settings that training accepts", () => {
  for (const name of PRESET_NAMES) {
    const { options, batchSize, summary } = preset(name);
    const settings = completeOptions(options);
    for (const [key, value] of Object.entries(options)) {
      assertEquals(settings[key as keyof typeof settings], value, `${name}: ${key}`);
    }
    assert(batchSize >= 2048 && summary.length < 80, name);
  }
});

Deno.test("the paper's presets have the paper's figures", () => {
  const { options, batchSize, contextLength, hook } = preset("paper/gpt2-small");
  assertEquals([batchSize, contextLength, hook], [4096, 128, "blocks.8.hook_resid_pre"]);
  const { learningRate, beta1, beta2, auxK, auxCoefficient, steps } = options;
  assertEquals([learningRate, beta1, beta2, auxK, auxCoefficient], [3e-4, 0.9, 0.99, 512, 1 / 32]);
  for (const name of ["paper/gpt2-small", "paper/gemma-2-2b"]) {
    assertEquals(preset(name).options.inputNormalization, "layer_norm");
  }
  for (const name of ["paper/relu-feature-splitting", "paper/meta-sae"]) {
    assertEquals(preset(name).options.inputNormalization, "none");
  }
  assertEquals(preset("paper/relu-feature-splitting").options.inputTransform, "center");
  // As its authors trained, whatever the defaults are.
  for (const name of PRESET_NAMES.filter((name) => name.startsWith("paper/"))) {
    assertEquals(preset(name).options.bDec, "zero");
  }
  // 10⁹ tokens.
  assertEquals(Math.ceil(1e9 / batchSize), steps);
  const relu = preset("paper/relu-feature-splitting");
  assertEquals(Math.ceil(300e6 / relu.batchSize), relu.options.steps);
  assertEquals([relu.options.sparsityCoefficient, relu.options.learningRate], [8e-5, 4e-4]);
  for (
    const [name, sizes, lambdas] of [
      ["paper/gpt2-small", [3072, 6144, 12_288, 24_576], [0.004, 0.0018, 0.0008]],
      ["paper/gemma-2-2b", [16_384], [0.02, 0.005, 0.001]],
    ] as const
  ) {
    const { grid, jumpRelu, options } = preset(name);
    assertEquals(grid, {
      dictSize: [...sizes],
      k: [16, 32, 64],
      sparsityCoefficient: [...lambdas],
    });
    // Those told by themselves are of the grid, λ at the place of k.
    assert(grid!.dictSize.includes(options.dictSize!), name);
    assertEquals(
      grid!.k!.indexOf(options.k!),
      grid!.sparsityCoefficient!.indexOf(jumpRelu!.sparsityCoefficient),
    );
  }
  const meta = preset("paper/meta-sae");
  assertEquals([meta.options.dictSize, meta.options.k, meta.epochs], [2304, 4, 2000]);
});

Deno.test("a preset is the caller's own; an unknown one is named", () => {
  preset("demo").options.k = 3;
  assertEquals(preset("demo").options.k, 16);
  assertThrows(
    () => preset("toString"),
    RangeError,
    "there is no preset toString, expected paper/",
  );
});
