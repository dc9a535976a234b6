import { regularFileSize } from "../lib/language_model/regular_file.ts";
import { completeOptions } from "../lib/training/complete_options.ts";
import type { TrainOptions } from "../mod.ts";
import type { Arguments } from "./arguments.ts";
import { UsageError } from "./command.ts";
import {
  hasOption,
  LIST_OPTIONS,
  missingOption,
  TRAINING_OPTIONS,
  trainingOptions,
} from "./training_options.ts";

/** One SAE of a sweep. */
export interface Cell {
  /** Name of its folder. */
  name: string;
  /** What it is told beside what the name says by itself, such as "lr0.001"; often empty. */
  variant: string;
  /** Its options as on the command line. */
  given: Record<string, string>;
  /** Its options as `trainSae` takes them. */
  options: TrainOptions;
}

/** Options that all cells have, with one value. One that some lack, such as a k, is not shared. */
export function agreedOptions(cells: readonly Pick<Cell, "options">[]): Record<string, unknown> {
  const all = cells.map(({ options }): Record<string, unknown> => ({ ...options }));
  return Object.fromEntries(
    Object.entries(all[0]).filter(([name, value]) =>
      all.every((own) => String(own[name]) === String(value))
    ),
  );
}

/** Values of each option. */
type Axes = Record<string, string[]>;

const IN_NAME = ["architecture", "dict-size", "k", "target-l0", "sparsity", "seed"];

/**
 * The SAEs of a grid: every combination of the values on the command line and in `--grid`'s file. A value
 * that is a list of numbers is a text there, "256,512".
 *
 * @param preset Options that hold where neither gives them, with values separated by commas.
 * @throws {UsageError} A value does not fit, or the file does not hold a grid.
 */
export async function readGrid(
  options: Arguments,
  preset: Record<string, string> = {},
): Promise<Cell[]> {
  const base: Axes = { architecture: ["batchtopk"], seed: ["0"] };
  for (const [name, text] of Object.entries(preset)) {
    if (TRAINING_OPTIONS.includes(name)) base[name] = splitValues(name, text);
  }
  const own: Axes = {};
  for (const name of TRAINING_OPTIONS) {
    const values = options.texts(name).flatMap((text) => splitValues(name, text));
    if (values.length > 0) own[name] = values;
  }
  const file = options.text("grid");
  const grids = file === undefined ? [{}] : await readGridFile(file);
  const all = grids.map((grid) => {
    const twice = Object.keys(grid).find((name) => name in own);
    if (twice) throw new UsageError(`${twice} is given on the command line and in ${file}`);
    const axes: Axes = { ...base, ...own, ...grid };
    // A preset's λ gives way to a target.
    if (axes["target-l0"] && axes.sparsity === base.sparsity) delete axes.sparsity;
    return axes;
  });
  const several = variedOptions(all);
  const cells = new Map<string, Cell>();
  for (const axes of all) {
    for (const given of combinations(axes)) {
      const cell = makeCell(given, several);
      cells.set(cell.name, cell);
    }
  }
  return [...cells.values()];
}

/** The values of an option: separated by commas, or where one is a list of numbers itself by semicolons. */
function splitValues(name: string, text: string): string[] {
  return text.split(LIST_OPTIONS.includes(name) ? ";" : ",");
}

/** Options that are not part of every name and have several values somewhere. */
function variedOptions(grids: Axes[]): string[] {
  return TRAINING_OPTIONS.filter((name) =>
    !IN_NAME.includes(name) && new Set(grids.flatMap((axes) => axes[name] ?? [""])).size > 1
  );
}

function combinations(axes: Axes): Record<string, string>[] {
  return TRAINING_OPTIONS.filter((name) => name in axes).reduce<Record<string, string>[]>(
    (cells, name) =>
      cells.flatMap((cell) => axes[name].map((value) => ({ ...cell, [name]: value }))),
    [{}],
  );
}

function makeCell(given: Record<string, string>, several: string[]): Cell {
  const own = Object.fromEntries(
    Object.entries(given).filter(([name]) => hasOption(given.architecture, name)),
  );
  const options = trainingOptions((name) => own[name]);
  const missing = missingOption(own.architecture, (name) => own[name] !== undefined);
  if (missing) throw new UsageError(`${own.architecture}: ${missing}`);
  // Numbers are named as they are read, so that 1e-3 and 0.001 are the same SAE.
  const value = (name: string) =>
    isNaN(Number(own[name])) ? own[name].replaceAll(",", "-") : Number(own[name]);
  const variant = several.filter((name) => name in own).map((name) => `${name}${value(name)}`)
    .join("_");
  const name = [
    own.architecture,
    `m${value("dict-size")}`,
    ...("k" in own ? [`k${value("k")}`] : []),
    ...("target-l0" in own ? [`target${value("target-l0")}`] : []),
    ...("sparsity" in own ? [`lambda${value("sparsity")}`] : []),
    ...(variant ? [variant] : []),
    `seed${value("seed")}`,
  ].join("_");
  try {
    completeOptions(options);
  } catch (error) {
    throw new UsageError(`${name} cannot be trained: ${(error as Error).message}`);
  }
  return { name, variant, given: own, options };
}

async function readGridFile(file: string): Promise<Axes[]> {
  let data: unknown;
  try {
    regularFileSize(file);
    data = JSON.parse(await Deno.readTextFile(file));
  } catch (error) {
    const why = error instanceof Deno.errors.NotFound ? "there is no such file" : `${error}`;
    throw new UsageError(`cannot read the grid ${file}: ${why}`);
  }
  const grids = Array.isArray(data) ? data : [data];
  if (grids.length === 0) throw new UsageError(`${file} holds no grid: the list is empty`);
  return grids.map((grid) => {
    if (typeof grid !== "object" || grid === null || Array.isArray(grid)) {
      throw new UsageError(
        `${file} holds ${JSON.stringify(grid)}, expected an object such as ` +
          `{ "dict-size": [256, 512], "k": 8 }, or a list of them`,
      );
    }
    return Object.fromEntries(
      Object.entries(grid).map(([name, value]) => [name, axisValues(file, name, value)]),
    );
  });
}

function axisValues(file: string, name: string, value: unknown): string[] {
  if (!TRAINING_OPTIONS.includes(name)) {
    throw new UsageError(
      `${file} has ${JSON.stringify(name)}, expected one of ${TRAINING_OPTIONS.join(", ")}`,
    );
  }
  const values = Array.isArray(value) ? value : [value];
  const fits = values.length > 0 &&
    values.every((each) => typeof each === "number" || typeof each === "string");
  if (!fits) {
    throw new UsageError(
      `${name} is ${
        JSON.stringify(value)
      } in ${file}, expected a number or a name, or a list of them`,
    );
  }
  return values.map(String);
}
