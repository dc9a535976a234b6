import { architectureTakes, type SweepCell, type SweepGrid, sweepGrid } from "./grid.ts";
import {
  LIST_OPTIONS,
  missingOption,
  OptionError,
  optionKey,
  optionValue,
  TRAINING_OPTIONS,
} from "./option_texts.ts";

/** Values of each option, as texts. */
type Axes = Record<string, string[]>;

/** Contents of a file that holds a grid or a list of grids. */
export interface GridFile {
  /** Its name, for messages. */
  name: string;
  /** Its JSON, parsed. */
  data: unknown;
}

/** Where {@linkcode gridOfTexts} takes values from. */
export interface GridTexts {
  /** Values by option, "256" or "256,512"; lists of numbers are separated by semicolons. */
  given?: Readonly<Record<string, readonly string[]>>;
  /** What holds where neither `given` nor the file has an option. */
  preset?: Readonly<Record<string, string>>;
  /** A file: objects such as `{ "dict-size": [256, 512], "k": 8 }`, where a list of numbers is a text. */
  file?: GridFile;
}

/**
 * The SAEs of a grid whose values are texts, by the names of the command line: every combination.
 *
 * @throws {OptionError} A value does not fit, an option is given twice, or the file does not hold a grid.
 *
 * @example
 * ```ts
 * import { gridOfTexts } from "@saewing/saewing/sweep";
 *
 * const cells = gridOfTexts({ given: { "dict-size": ["256,512"], k: ["8"] } });
 * console.log(cells.map(({ name }) => name)); // batchtopk_m256_k8_seed0, batchtopk_m512_k8_seed0
 * ```
 */
export function gridOfTexts({ given = {}, preset = {}, file }: GridTexts): SweepCell[] {
  const base: Axes = { architecture: ["batchtopk"], seed: ["0"] };
  for (const [name, text] of Object.entries(preset)) {
    if (TRAINING_OPTIONS.includes(name)) base[name] = splitValues(name, text);
  }
  const own: Axes = {};
  for (const name of TRAINING_OPTIONS) {
    const values = (given[name] ?? []).flatMap((text) => splitValues(name, text));
    if (values.length > 0) own[name] = values;
  }
  const all = (file ? parseGrids(file) : [{}]).map((grid) => {
    const twice = Object.keys(grid).find((name) => name in own);
    if (twice) throw new OptionError(`${twice} is given on the command line and in ${file!.name}`);
    const axes: Axes = { ...base, ...own, ...grid };
    // A preset's λ gives way to a target.
    if (axes["target-l0"] && axes.sparsity === base.sparsity) delete axes.sparsity;
    return axes;
  });
  const numbers = all.map(gridOf);
  try {
    return sweepGrid(numbers);
  } catch (error) {
    throw new OptionError((error as Error).message);
  }
}

/** The grid that texts name. */
function gridOf(axes: Axes): SweepGrid {
  for (const architecture of axes.architecture) {
    const missing = missingOption(
      architecture,
      (name) => name in axes && architectureTakes(architecture, optionKey(name)),
    );
    if (missing) throw new OptionError(`${architecture}: ${missing}`);
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

function parseGrids({ name: file, data }: GridFile): Axes[] {
  const grids = Array.isArray(data) ? data : [data];
  if (grids.length === 0) throw new OptionError(`${file} holds no grid: the list is empty`);
  return grids.map((grid) => {
    if (typeof grid !== "object" || grid === null || Array.isArray(grid)) {
      throw new OptionError(
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
    throw new OptionError(
      `${file} has ${JSON.stringify(name)}, expected one of ${TRAINING_OPTIONS.join(", ")}`,
    );
  }
  const values = Array.isArray(value) ? value : [value];
  const fits = values.length > 0 &&
    values.every((each) => typeof each === "number" || typeof each === "string");
  if (!fits) {
    throw new OptionError(
      `${name} is ${
        JSON.stringify(value)
      } in ${file}, expected a number or a name, or a list of them`,
    );
  }
  return values.map(String);
}
