import { join } from "@std/path";
import { isWhole } from "../whole_number.ts";

/** One of several shares of a run. */
export interface Part {
  /** Its number, from 1. */
  index: number;
  /** How many there are. */
  count: number;
}

/** Where a part's files are. */
export interface PartPaths {
  /** Its name: "3-of-8". */
  name: string;
  /** The folder of its own output. */
  folder: string;
  /** There while a process works on it. */
  claim: string;
  /** There when it is whole. */
  done: string;
  /** What its processes printed, where a scheduler keeps that. */
  log: string;
}

/** The folder, in a run's output folder, that holds its parts. */
export const PARTS_FOLDER = "parts";

/** Largest number of parts. A scheduler's array is far smaller; a typing error is not. */
export const MOST_PARTS = 99_999;

const NAME = /^([1-9]\d{0,4})-of-([1-9]\d{0,4})(?=$|\.)/;

/**
 * Reads "3/8".
 *
 * @throws {RangeError} It is not a part, or none of so many.
 */
export function parsePart(text: string): Part {
  const [, index, count] = (/^(\d+)\/(\d+)$/.exec(text) ?? []).map(Number);
  if (isWhole(count, 1, MOST_PARTS) && isWhole(index, 1, count)) return { index, count };
  throw new RangeError(
    `a part is ${JSON.stringify(text)}, expected i/n with whole numbers, i from 1 to n and n at ` +
      `most ${MOST_PARTS}, such as 3/8`,
  );
}

/** "3/8". */
export function partText({ index, count }: Part): string {
  return `${index}/${count}`;
}

/** Where the files of a part are. */
export function partPaths(out: string, { index, count }: Part): PartPaths {
  const name = `${index}-of-${count}`;
  const folder = join(out, PARTS_FOLDER, name);
  const beside = (ending: string) => `${folder}.${ending}`;
  return {
    ...{ name, folder, claim: beside("claim.json"), done: beside("done.json") },
    log: beside("log"),
  };
}

/** All parts of so many. */
export function allParts(count: number): Part[] {
  return Array.from({ length: count }, (_, i) => ({ index: i + 1, count }));
}

/**
 * Into how many parts a run is divided, from the names below OUT/parts; undefined where there are none.
 *
 * @throws {Error} There are parts of several numbers; the folder cannot be read.
 */
export async function countParts(out: string): Promise<number | undefined> {
  const counts = new Map<number, string>();
  try {
    for await (const { name } of Deno.readDir(join(out, PARTS_FOLDER))) {
      const count = NAME.exec(name)?.[2];
      if (count !== undefined) counts.set(Number(count), name);
    }
  } catch (error) {
    const { NotFound, NotADirectory } = Deno.errors;
    if (error instanceof NotFound || error instanceof NotADirectory) return undefined;
    throw error;
  }
  const [first, ...more] = counts.entries().toArray().sort(([a], [b]) => a - b);
  if (more.length === 0) return first?.[0];
  throw new Error(
    `${join(out, PARTS_FOLDER)} holds parts of ${
      [first, ...more].map(([n]) => n).join(" and of ")
    } ` +
      `(${
        [first, ...more].map(([_, name]) => name).join(", ")
      }), expected one division: remove those ` +
      `that are not wanted, or take another folder`,
  );
}

/** Items of part `index` where `items` are divided into stretches of nearly equal length, in their order. */
export function stretchOf(items: number, { index, count }: Part): { from: number; to: number } {
  const at = (part: number) => Math.floor(items * part / count);
  return { from: at(index - 1), to: at(index) };
}
