import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import { sharedOptions } from "../../lib/sweep/grid.ts";
import { type GridFile, gridOfTexts, OptionError } from "../../lib/sweep/mod.ts";

/** The SAEs of a grid, from arguments as on the command line. */
function cells(args: string[], file?: GridFile) {
  const pairs = args.join(" ").replaceAll("=", " ").split(/ ?--/).slice(1)
    .map((text) => text.split(" ", 2));
  const byName = Map.groupBy(pairs, ([name]) => name);
  const given = [...byName].map(([name, all]) => [name, all.map(([, value]) => value)]);
  return gridOfTexts({ given: Object.fromEntries(given), file });
}

const names = (...args: string[]) => cells(args).map(({ name }) => name);

const file = (data: unknown): GridFile => ({ name: "grid.json", data });

Deno.test("a grid is every combination of its values", () => {
  assertEquals(names("--dict-size", "64,128", "--k", "4,8", "--architecture", "topk"), [
    ...["topk_m64_k4_seed0", "topk_m64_k8_seed0", "topk_m128_k4_seed0", "topk_m128_k8_seed0"],
  ]);
  assertEquals(names("--dict-size", "64", "--dict-size", "96", "--k", "4", "--seed", "1,2"), [
    ...["batchtopk_m64_k4_seed1", "batchtopk_m64_k4_seed2"],
    ...["batchtopk_m96_k4_seed1", "batchtopk_m96_k4_seed2"],
  ]);
  const [cell] = cells(["--dict-size", "64", "--k", "4", "--lr", "1e-3"]);
  assertEquals(cell.options, {
    ...{ architecture: "batchtopk", dictSize: 64, k: 4, seed: 0, learningRate: 0.001 },
  });
});

Deno.test("an architecture takes only its own options of a grid", () => {
  const grid = cells([
    ...["--architecture", "topk,relu,jumprelu", "--dict-size", "64", "--k", "4", "--seed", "0"],
    ...["--sparsity", "0.1", "--bandwidth", "0.2", "--aux-coefficient", "0.5"],
    ...["--sparsity-warmup-steps", "7", "--input-normalization", "layer_norm"],
  ]);
  const shared = { dictSize: 64, seed: 0, inputNormalization: "layer_norm" };
  const sparse = { sparsityCoefficient: 0.1, sparsityWarmupSteps: 7 };
  assertEquals(grid.map(({ name, options }): unknown => [name, options]), [
    ["topk_m64_k4_seed0", { architecture: "topk", k: 4, auxCoefficient: 0.5, ...shared }],
    ["relu_m64_lambda0.1_seed0", { architecture: "relu", ...sparse, ...shared }],
    ["jumprelu_m64_lambda0.1_seed0", {
      ...{ architecture: "jumprelu", bandwidth: 0.2, ...sparse, ...shared },
    }],
  ]);
});

Deno.test("what all cells share: an option that some lack is not shared", () => {
  const grid = cells([
    ...["--architecture", "topk,jumprelu", "--dict-size", "64,128", "--k", "4", "--steps", "9"],
    ...["--sparsity", "0.1,0.2", "--bandwidth", "0.2", "--lr", "1e-3,2e-3"],
  ]);
  assertEquals(grid.length, 12);
  // Only topk has the k, only jumprelu the bandwidth.
  assertEquals(sharedOptions(grid), { steps: 9, seed: 0 });
  assertEquals(sharedOptions(grid.filter(({ options }) => options.architecture === "topk")), {
    ...{ architecture: "topk", k: 4, steps: 9, seed: 0 },
  });
  assertEquals(sharedOptions(grid.slice(0, 1)), { ...grid[0].options });
});

Deno.test("other options are in names where they vary; the same number is the same SAE", () => {
  assertEquals(names("--dict-size", "64", "--k", "4", "--lr", "1e-3,0.001,3e-4"), [
    ...["batchtopk_m64_k4_lr0.001_seed0", "batchtopk_m64_k4_lr0.0003_seed0"],
  ]);
});

Deno.test("a grid in a file, or several, beside the command line", () => {
  const grids = [{ "dict-size": [32, 64], k: 4 }, {
    architecture: ["topk"],
    "dict-size": 16,
    k: 2,
  }];
  assertEquals(cells(["--seed", "7"], file(grids)).map(({ name }) => name), [
    ...["batchtopk_m32_k4_seed7", "batchtopk_m64_k4_seed7", "topk_m16_k2_seed7"],
  ]);
});

const BAD: [name: string, args: string[], error: RegExp][] = [
  ["no size", ["--k", "4"], /--dict-size is missing/],
  [
    "no sparsity",
    ["--dict-size", "64", "--k", "4", "--architecture", "topk,relu"],
    /relu: --target-l0 is missing .*, or --sparsity/,
  ],
  [
    "no sparsity for jumprelu",
    ["--dict-size", "64", "--architecture", "jumprelu"],
    /jumprelu: --target-l0 is missing .*, or --sparsity/,
  ],
  [
    "an unknown normalisation",
    ["--dict-size", "64", "--k", "4", "--input-normalization", "rms"],
    /cannot be trained: inputNormalization is rms, expected/,
  ],
  [
    "a factor without its normalisation",
    ["--dict-size", "64", "--k", "4", "--input-scale", "2", "--input-normalization", "none"],
    /inputScale is 2, none has none/,
  ],
  [
    "a limit that is none",
    ["--dict-size", "64", "--k", "4", "--gradient-clip=-1"],
    /gradientClip is -1, expected/,
  ],
  ["no k", ["--dict-size", "64"], /--k is missing/],
  ["an empty value", ["--dict-size", "64,", "--k", "4"], /--dict-size is empty, expected a number/],
  ["a word for a number", ["--dict-size", "big", "--k", "4"], /--dict-size is big, expected/],
  [
    "an unknown architecture",
    ["--dict-size", "64", "--k", "4", "--architecture", "gru"],
    /--architecture is gru, expected relu, topk, batchtopk, jumprelu, matryoshka_batchtopk/,
  ],
  ["a k above the size", ["--dict-size", "64,8", "--k", "16"], /batchtopk_m8_k16_seed0 cannot be/],
];
for (const [name, args, error] of BAD) {
  Deno.test(`a grid with ${name} says so`, () => {
    assertMatch(assertThrows(() => cells(args), OptionError).message, error);
  });
}

const BAD_FILES: [name: string, data: unknown, error: RegExp][] = [
  ["a number", 3, /grid\.json holds 3, expected an object such as/],
  ["an empty list", [], /grid\.json holds no grid/],
  ["an unknown name", { dictSize: 3 }, /has "dictSize", expected one of architecture, dict-size/],
  ["no value", { "dict-size": [] }, /dict-size is \[\] in .*expected a number or a name/],
  ["a value that is none", { k: [null] }, /k is \[null\] in /],
  [
    "what the command line has too",
    { seed: 1, "dict-size": 8 },
    /seed is given on the command line/,
  ],
];
for (const [name, data, error] of BAD_FILES) {
  Deno.test(`a grid file with ${name} says so`, () => {
    const read = () => cells(["--k", "4", "--seed", "0"], file(data));
    assertMatch(assertThrows(read, OptionError).message, error);
  });
}
