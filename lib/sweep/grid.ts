import type { Architectures, OwnOptions } from "../sae/architectures/own_options.ts";
import { hasOwnOption, OWN_OPTIONS } from "../sae/architectures/registry.ts";
import { checkTrainOptions } from "../training/complete_options.ts";
import type { AnyTrainOptions, TrainOptions } from "../training/options.ts";

/** Options that a grid may vary. */
export type GridOption =
  | "architecture"
  | "dictSize"
  | "lossNormalization"
  | "inputTransform"
  | "inputNormalization"
  | "inputScale"
  | "learningRate"
  | "warmupSteps"
  | "decaySteps"
  | "beta1"
  | "beta2"
  | "epsilon"
  | "gradientClip"
  | "auxK"
  | "deadAfter"
  | "thresholdBatches"
  | "bDec"
  | "steps"
  | "seed"
  | keyof OwnOptions;

/** Values of options of training, one or several each. */
export type SweepGrid = {
  [Name in GridOption]?: AnyTrainOptions[Name] | readonly NonNullable<AnyTrainOptions[Name]>[];
};

/** One SAE of a sweep. */
export interface SweepCell {
  /** Name, also of its folder: "topk_m256_k8_seed0". */
  name: string;
  /** What is set beside what the name says by itself, such as "lr0.001"; often empty. */
  variant: string;
  /** Its options as `trainSae` takes them. */
  options: TrainOptions;
}

/** Options that a grid may vary, in the order of combinations and names. */
export const GRID_OPTIONS: readonly GridOption[] = [
  ...["architecture", "dictSize"] as const,
  ...Object.keys(OWN_OPTIONS) as (keyof typeof OWN_OPTIONS)[],
  ...["lossNormalization", "inputTransform", "inputNormalization", "inputScale"] as const,
  ...["learningRate"] as const,
  ...["warmupSteps", "decaySteps", "beta1", "beta2", "epsilon", "gradientClip"] as const,
  ...["auxK", "deadAfter", "thresholdBatches", "bDec", "steps", "seed"] as const,
];

/** Options that are part of every name. */
const IN_NAME: GridOption[] = [
  ...["architecture", "dictSize", "k", "targetL0", "sparsityCoefficient", "seed"] as const,
];

/** A grid with every option a list of values. */
type Axes = Partial<Record<GridOption, readonly unknown[]>>;

/**
 * The SAEs of a grid: every combination of its values. An architecture takes only the options that it
 * has, so that one grid may hold a k for some and a λ for others; what is the same then is one SAE.
 * Where nothing is said the architecture is "batchtopk" and the seed 0.
 *
 * @param grids A grid, or several whose SAEs are taken together.
 * @throws {Error} An option is missing, has no value, does not fit, or is none of {@linkcode GRID_OPTIONS}.
 *
 * @example
 * ```ts
 * import { sweepGrid } from "@saewing/saewing";
 *
 * const cells = sweepGrid({ architecture: ["topk", "batchtopk"], dictSize: [256, 512], k: 8 });
 * console.log(cells.map(({ name }) => name)); // topk_m256_k8_seed0, topk_m512_k8_seed0, …
 * ```
 */
export function sweepGrid(grids: SweepGrid | readonly SweepGrid[]): SweepCell[] {
  const all = (Array.isArray(grids) ? grids as readonly SweepGrid[] : [grids as SweepGrid])
    .map((grid) => ({ architecture: ["batchtopk"], seed: [0], ...axesOf(grid) }));
  const several = variedOptions(all);
  const cells = new Map<string, SweepCell>();
  for (const axes of all) {
    for (const given of combinations(axes)) {
      const cell = makeCell(given, several);
      cells.set(cell.name, cell);
    }
  }
  return [...cells.values()];
}

/** Options that all cells have, with one value. One that some lack, such as a k, is not shared. */
export function sharedOptions(
  cells: readonly Pick<SweepCell, "options">[],
): Record<string, unknown> {
  const all = cells.map(({ options }): Record<string, unknown> => ({ ...options }));
  return Object.fromEntries(
    Object.entries(all[0]).filter(([name, value]) =>
      all.every((own) => String(own[name]) === String(value))
    ),
  );
}

/** What an option is called in names and on the command line: "lr", "warmup-steps". */
export function optionName(option: GridOption): string {
  if (option === "learningRate") return "lr";
  if (option === "bDec") return "init-bdec";
  const own = (OWN_OPTIONS as Partial<Record<string, { flag: string }>>)[option];
  return own?.flag ?? option.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** Whether an option's value is a list of numbers. */
export function isListOption(option: GridOption): boolean {
  const own = (OWN_OPTIONS as Partial<Record<string, { list?: boolean }>>)[option];
  return own?.list === true;
}

/** Whether an architecture has an option of a grid. */
export function architectureTakes(architecture: string, option: GridOption): boolean {
  return !Object.hasOwn(OWN_OPTIONS, option) || hasOwnOption(architecture, option);
}

function axesOf(grid: SweepGrid): Axes {
  const axes: Axes = {};
  for (const [name, value] of Object.entries(grid) as [GridOption, unknown][]) {
    if (!GRID_OPTIONS.includes(name)) {
      throw new Error(`a grid has ${name}, expected one of ${GRID_OPTIONS.join(", ")}`);
    }
    if (value === undefined) continue;
    const isOne = !Array.isArray(value) || isListOption(name) && !Array.isArray(value[0]);
    axes[name] = isOne ? [value] : value;
    if (axes[name]!.length === 0) throw new Error(`${name} of a grid has no value`);
  }
  return axes;
}

/** Options that are not part of every name and have several values for SAEs of one architecture. */
function variedOptions(grids: readonly Axes[]): GridOption[] {
  const architectures = [...new Set(grids.flatMap(({ architecture }) => architecture))];
  const values = (name: GridOption, architecture: unknown) =>
    grids.filter((axes) => axes.architecture!.includes(architecture))
      .flatMap((axes) => axes[name] ?? [""]).map(String);
  return GRID_OPTIONS.filter((name) =>
    !IN_NAME.includes(name) &&
    architectures.some((architecture) => new Set(values(name, architecture)).size > 1)
  );
}

function combinations(axes: Axes): Record<string, unknown>[] {
  return GRID_OPTIONS.filter((name) => name in axes).reduce<Record<string, unknown>[]>(
    (cells, name) =>
      cells.flatMap((cell) => axes[name]!.map((value) => ({ ...cell, [name]: value }))),
    [{}],
  );
}

function makeCell(given: Record<string, unknown>, several: GridOption[]): SweepCell {
  const architecture = given.architecture as keyof Architectures;
  const options = Object.fromEntries(
    Object.entries(given).filter(([name]) => architectureTakes(architecture, name as GridOption)),
  ) as unknown as AnyTrainOptions;
  if (options.dictSize === undefined) throw new Error("dictSize is missing from a grid");
  const value = (name: GridOption) =>
    Array.isArray(options[name]) ? options[name].join("-") : options[name];
  const has = (name: GridOption) => options[name] !== undefined;
  const variant = several.filter(has).map((name) => `${optionName(name)}${value(name)}`).join("_");
  const name = [
    architecture,
    `m${options.dictSize}`,
    ...(has("k") ? [`k${options.k}`] : []),
    ...(has("targetL0") ? [`target${value("targetL0")}`] : []),
    ...(has("sparsityCoefficient") ? [`lambda${value("sparsityCoefficient")}`] : []),
    ...(variant ? [variant] : []),
    `seed${options.seed}`,
  ].join("_");
  try {
    return { name, variant, options: checkTrainOptions(options) };
  } catch (error) {
    throw new Error(`${name} cannot be trained: ${(error as Error).message}`, { cause: error });
  }
}
