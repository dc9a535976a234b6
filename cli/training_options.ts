import { ARCHITECTURES, hasOwnOption, OWN_OPTIONS } from "../lib/sae/architectures/registry.ts";
import { hasOption, TRAINING_OPTIONS, trainingTexts } from "../lib/sweep/option_texts.ts";
import { readRegularText } from "../lib/language_model/regular_file.ts";
import { gridOfTexts, type SweepCell } from "../lib/sweep/mod.ts";
import type { Preset } from "../lib/training/mod.ts";
import { preset, PRESET_NAMES } from "../mod.ts";
import { UsageError } from "./io.ts";
import { type Arguments, type GivenOptions, type Option, shared } from "./options.ts";

/** Options that not all architectures have. */
const OWN = Object.entries(OWN_OPTIONS) as [
  keyof typeof OWN_OPTIONS,
  (typeof OWN_OPTIONS)[keyof typeof OWN_OPTIONS],
][];

/** Names of the options that set how a meta-SAE is trained. */
export const META_TRAINING: readonly string[] = [
  ...["dict-size", "k", "lr", "warmup-steps", "decay-steps", "gradient-clip"],
  ...["aux-coefficient", "aux-k", "dead-after", "seed"],
];

/** The names of all architectures, for the help. */
export const ARCHITECTURE_NAMES: string = ARCHITECTURES.join(", ");

/** What the help says of the options that say how an SAE is trained. */
export const TRAINING: readonly Option[] = [
  { name: "architecture", value: "NAME", help: `${ARCHITECTURE_NAMES} (default batchtopk)` },
  { name: "dict-size", value: "M", help: "number of latents" },
  ...OWN.map(([key, { flag, value, help }]) => {
    const whose = ARCHITECTURES.filter((name) => hasOwnOption(name, key)).join(", ");
    return { name: flag, value, help: `${whose}: ${help}` };
  }),
  { name: "loss-normalization", value: "KIND", help: "none (default) or input_deviation" },
  {
    name: "input-transform",
    value: "KIND",
    help: "none (default), or center: the mean over d of each sample subtracted; undone on output",
  },
  {
    name: "input-normalization",
    value: "KIND",
    help:
      "expected_average_only_in (default: samples scaled to a mean norm of √d), none, layer_norm " +
      "or constant_norm_rescale; undone on output",
  },
  {
    name: "input-scale",
    value: "X",
    help: "expected_average_only_in: its factor (default: from the first batch)",
  },
  {
    name: "lr",
    value: "X",
    help: "Adam's learning rate (default 1.2e-2 · √(512/m) · ∛(400/steps))",
  },
  {
    name: "warmup-steps",
    value: "N",
    help: "steps over which the learning rate rises from 0 (default 0)",
  },
  {
    name: "decay-steps",
    value: "N",
    help: "last steps, over which the learning rate falls to 0 (default: a fifth of --steps)",
  },
  { name: "beta1", value: "X", help: "Adam's decay of mean gradients (default 0.9)" },
  { name: "beta2", value: "X", help: "Adam's decay of mean squared gradients (default 0.99)" },
  { name: "epsilon", value: "X", help: "added to Adam's denominator (default 1e-8)" },
  {
    name: "gradient-clip",
    value: "X",
    help: "largest norm of all gradients together (default 0: not clipped)",
  },
  {
    name: "aux-k",
    value: "N",
    help: "largest number of dead latents in the auxiliary loss (default 512)",
  },
  {
    name: "dead-after",
    value: "N",
    help: "batches without activity after which a latent is dead (default 5)",
  },
  {
    name: "threshold-batches",
    value: "N",
    help: "batches after the last step that the inference threshold is measured on (default 32)",
  },
  {
    name: "init-bdec",
    value: "KIND",
    help: "start of the decoder bias: mean (default) of the first batch, or zero",
  },
  { name: "steps", value: "N", help: "number of steps (default: until the epochs end)" },
  { name: "seed", value: "N", help: "seed of the weights; in train of shuffling too (default 0)" },
];

/** Options that say where training's activations come from. */
export const READING: readonly Option[] = [
  ...[shared("activations"), shared("model"), shared("hook"), shared("text"), shared("field")],
  ...[
    shared("context"),
    shared("include-bos"),
    shared("max-norm-multiple"),
    shared("dtype"),
    shared("model-device"),
  ],
  ...[shared("revision"), shared("cache-dir")],
];

/** Options of a preset that an activation store already determines. */
const OF_TEXT = ["model", "hook", "context", "buffer"];

/** The presets, a line each, for the help. */
export const PRESET_HELP: string = PRESET_NAMES
  .map((name) => `  ${name.padEnd(22)} ${preset(name).summary}`).join("\n");

/**
 * What `--preset` sets, as options of the command line; nothing where it is not given. Options that
 * the requested architectures do not have, such as k, are dropped.
 *
 * @param grid Whether all values of the preset's grid are wanted, separated by commas.
 */
export function presetTexts(options: Arguments, grid = false): Record<string, string> {
  const asked = askedArchitectures(options);
  const steered = options.texts("target-l0").length > 0;
  const suits = (name: string) =>
    asked.length === 0 || asked.some((architecture) => hasOption(architecture, name));
  // A requested target replaces the preset's λ. A λ for L0 does not apply to L1, and vice versa.
  const penalized = asked.filter((architecture) => hasOption(architecture, "sparsity"));
  const fits = !steered && penalized.every((one) => one === penalizedBy(options));
  return Object.fromEntries(
    Object.entries(allTexts(options, grid))
      .filter(([name]) => suits(name) && (fits || !name.startsWith("sparsity"))),
  );
}

function askedArchitectures(options: Arguments): string[] {
  return options.texts("architecture").flatMap((text) => text.split(","));
}

/** The architecture that the preset's λ is for. */
function penalizedBy(options: Arguments): string {
  const own = presetOf(options)?.options.architecture;
  return own && hasOption(own, "sparsity") ? own : "jumprelu";
}

function presetOf(options: Arguments): Preset | undefined {
  const name = options.text("preset");
  if (name === undefined) return undefined;
  if (!PRESET_NAMES.includes(name)) {
    throw new UsageError(`there is no preset ${name}, expected ${PRESET_NAMES.join(", ")}`);
  }
  return preset(name);
}

function allTexts(options: Arguments, wholeGrid = false): Record<string, string> {
  const found = presetOf(options);
  if (!found) return {};
  const { model, hook, contextLength, batchSize, bufferRows, epochs, options: own } = found;
  const reading = { model, hook, context: contextLength, "batch-size": batchSize };
  const jump = askedArchitectures(options).includes("jumprelu") ? found.jumpRelu : undefined;
  const { dictSize, k, sparsityCoefficient } = wholeGrid ? found.grid ?? {} : {};
  const all = {
    ...{ ...reading, buffer: bufferRows, epochs },
    ...trainingTexts({ ...own, ...jump }),
    ...(dictSize ? { "dict-size": dictSize.join(",") } : {}),
    ...(k ? { k: k.join(",") } : {}),
    ...(jump && sparsityCoefficient ? { sparsity: sparsityCoefficient.join(",") } : {}),
  };
  const stored = options.text("activations") !== undefined;
  return Object.fromEntries(
    Object.entries(all)
      .filter(([name, value]) => value !== undefined && !(stored && OF_TEXT.includes(name)))
      .map(([name, value]) => [name, String(value)]),
  );
}

/**
 * The options, those that `--preset` sets included where they are not given themselves.
 */
export function withPreset(options: Arguments): Arguments {
  const preset: GivenOptions = Object.fromEntries(
    Object.entries(presetTexts(options)).map(([name, text]) => [name, [text]]),
  );
  return options.withDefaults(preset);
}

/** The options that `--preset` sets and those overridden, in words; undefined where it is not given. */
export function describePreset(options: Arguments, grid = false): string | undefined {
  const name = options.text("preset");
  if (name === undefined) return undefined;
  const used = presetTexts(options, grid);
  const all = Object.entries(used);
  const overridden = all.filter(([name]) => options.given[name]);
  const foreign = Object.entries(allTexts(options, grid)).filter(([name]) => !(name in used));
  const set = all.filter(([name]) => !options.given[name]);
  const words = (list: [string, string][]) =>
    list.map(([name, text]) => `--${name} ${text}`).join(" ");
  return `preset ${name} sets ${words(set) || "nothing"}` +
    (overridden.length > 0 ? `; overridden: ${words(overridden)}` : "") +
    (foreign.length > 0
      ? `; not for ${options.texts("architecture").join(",")}: ${words(foreign)}`
      : "") +
    (used.sparsity && !options.given.sparsity ? `; ${describeLambda(used)}` : "");
}

/** The loss and normalisation that the preset's λ belongs to: with others it leads to another L0. */
function describeLambda(used: Record<string, string>): string {
  const loss = used["loss-normalization"] ?? "none";
  return `this λ (--sparsity) belongs to --input-normalization ${used["input-normalization"]} ` +
    `--loss-normalization ${loss} and a loss that is a mean over samples and d`;
}

/**
 * The SAEs of a grid: every combination of the values on the command line and in `--grid`'s file.
 *
 * @param preset Options that hold where neither gives them, with values separated by commas.
 * @throws {OptionError} A value does not fit.
 * @throws {UsageError} The file cannot be read.
 */
export function readGrid(options: Arguments, preset: Record<string, string> = {}): SweepCell[] {
  const name = options.text("grid");
  const given = Object.fromEntries(TRAINING_OPTIONS.map((name) => [name, options.texts(name)]));
  const file = name === undefined ? undefined : { name, data: readGridFile(name) };
  return gridOfTexts({ given, preset, file });
}

function readGridFile(file: string): unknown {
  try {
    return JSON.parse(readRegularText(file));
  } catch (error) {
    const why = error instanceof Deno.errors.NotFound ? "there is no such file" : `${error}`;
    throw new UsageError(`cannot read the grid ${file}: ${why}`);
  }
}
