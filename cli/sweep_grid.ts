import { regularFileSize } from "../lib/language_model/regular_file.ts";
import { architectureTakes } from "../lib/sweep/grid.ts";
import type { SweepCell, SweepGrid } from "../lib/sweep/mod.ts";
import { sweepGrid } from "../mod.ts";
import { type Arguments, UsageError } from "./options.ts";
import {
  LIST_OPTIONS,
  missingOption,
  optionKey,
  optionValue,
  TRAINING_OPTIONS,
} from "./training_options.ts";

/** Values of each option, as texts. */
type Axes = Record<string, string[]>;

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
): Promise<SweepCell[]> {
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
  const numbers = all.map(gridOf);
  try {
    return sweepGrid(numbers);
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

/** The grid that texts name. */
function gridOf(axes: Axes): SweepGrid {
  for (const architecture of axes.architecture) {
    const missing = missingOption(
      architecture,
      (name) => name in axes && architectureTakes(architecture, optionKey(name)),
    );
    if (missing) throw new UsageError(`${architecture}: ${missing}`);
  }
  return Object.fromEntries(
    Object.entries(axes).map(([name, values]) => [
      optionKey(name),
      values.map((value) => optionValue(name, value)),
    ]),
  );
}

/** The values of an option: separated by commas, or where one is a list of numbers itself by semicolons. */
function splitValues(name: string, text: string): string[] {
  return text.split(LIST_OPTIONS.includes(name) ? ";" : ",");
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
