import { preset, PRESET_NAMES } from "../mod.ts";
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
 */
export function presetTexts(options: Arguments): Record<string, string> {
  const all = allTexts(options);
  const asked = options.texts("architecture").flatMap((text) => text.split(","));
  const steered = options.text("target-l0") !== undefined;
  const suits = (name: string) =>
    asked.length === 0 || asked.some((architecture) => hasOption(architecture, name));
  // The preset's λ gives way to a target that is asked for.
  const gives = (name: string) => !(steered && name.startsWith("sparsity"));
  return Object.fromEntries(Object.entries(all).filter(([name]) => suits(name) && gives(name)));
}

function allTexts(options: Arguments): Record<string, string> {
  const name = options.text("preset");
  if (name === undefined) return {};
  if (!PRESET_NAMES.includes(name)) {
    throw new UsageError(`there is no preset ${name}, expected ${PRESET_NAMES.join(", ")}`);
  }
  const { model, hook, contextLength, batchSize, bufferRows, epochs, options: own } = preset(name);
  const reading = { model, hook, context: contextLength, "batch-size": batchSize };
  // A.3: the bandwidth of the paper's JumpReLU SAEs, wherever one is trained beside its recipe.
  const jump = name.startsWith("paper/") &&
    options.texts("architecture").some((text) => text.split(",").includes("jumprelu"));
  const bandwidth = jump ? { bandwidth: 0.001 } : {};
  const all = { ...reading, buffer: bufferRows, epochs, ...trainingTexts(own), ...bandwidth };
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
export function describePreset(options: Arguments): string | undefined {
  const name = options.text("preset");
  if (name === undefined) return undefined;
  const all = Object.entries(presetTexts(options));
  const overridden = all.filter(([name]) => options.given[name]);
  const used = Object.keys(presetTexts(options));
  const foreign = Object.entries(allTexts(options)).filter(([name]) => !used.includes(name));
  const set = all.filter(([name]) => !options.given[name]);
  const words = (list: [string, string][]) =>
    list.map(([name, text]) => `--${name} ${text}`).join(" ");
  return `preset ${name} sets ${words(set) || "nothing"}` +
    (overridden.length > 0 ? `; overridden: ${words(overridden)}` : "") +
    (foreign.length > 0
      ? `; not for ${options.texts("architecture").join(",")}: ${words(foreign)}`
      : "");
}
