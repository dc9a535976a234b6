import { type Preset, preset, PRESET_NAMES, type TrainOptions } from "../mod.ts";
import { type Arguments, type GivenOptions, parseArguments } from "./arguments.ts";
import { UsageError } from "./command.ts";
import { hasOption, trainingTexts } from "./training_options.ts";

/** Options of a preset that say what an activation store already knows. */
const OF_TEXT = ["model", "hook", "context", "buffer"];

/** The presets, a line each, for the help. */
export const PRESET_HELP: string = PRESET_NAMES
  .map((name) => `  ${name.padEnd(22)} ${preset(name).summary}`).join("\n");

/**
 * What `--preset` sets, as options of the command line; nothing where it is not given. What the
 * architectures that are asked for do not have, such as a k, is left out.
 *
 * @param grid Whether all values of the preset's grid are wanted, separated by commas.
 */
export function presetTexts(options: Arguments, grid = false): Record<string, string> {
  const asked = askedArchitectures(options);
  const steered = options.texts("target-l0").length > 0;
  const suits = (name: string) =>
    asked.length === 0 || asked.some((architecture) => hasOption(architecture, name));
  // The preset's λ gives way to a target that is asked for. One of L0 is none of L1, nor the other way.
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
    ...trainingTexts({ ...own, ...jump } as TrainOptions),
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
 *
 * @param names Names of options with a value and of flags.
 */
export function withPreset(
  options: Arguments,
  names: { values: string[]; flags: string[] },
): Arguments {
  const preset: GivenOptions = Object.fromEntries(
    Object.entries(presetTexts(options)).map(([name, text]) => [name, [text]]),
  );
  return parseArguments(options.positional, names, { ...preset, ...options.given });
}

/** What `--preset` sets, and what of it is overridden, in words; undefined where it is not given. */
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

/** What the preset's λ belongs to: with another loss or normalisation it asks for another L0. */
function describeLambda(used: Record<string, string>): string {
  const loss = used["loss-normalization"] ?? "none";
  return `this λ (--sparsity) belongs to --input-normalization ${used["input-normalization"]} ` +
    `--loss-normalization ${loss} and a loss that is a mean over samples and d`;
}
