import { join } from "@std/path";
import { crc32 } from "node:zlib";
import { parseCheckedJson } from "../language_model/checked_json.ts";
import { readRegularText } from "../language_model/regular_file.ts";
import { checkStitchedSae, type StitchedSae } from "../sae/stitched_sae.ts";
import { stitch } from "../stitching/stitch.ts";
import { checkSavable } from "./check_savable.ts";
import { loadSae, type LoadSaeOptions } from "./load_sae.ts";
import { replaceText } from "../files/replace_file.ts";
import { saveSae } from "./sae_folder.ts";

const NAME = "stitched.json";
/** Raised when the meaning of the file changes; others are refused. */
const FORMAT = 1;

/**
 * Saves a stitched SAE as a folder: both SAEs whole, in `small/` and `large/` as `saveSae` writes them, and
 * `stitched.json`, which lists the chosen latents. An earlier `stitched.json` is removed first and the new one
 * comes last: a process that is killed in between leaves no mixture that could be loaded. All numbers come
 * back bit by bit; those of SAEs with an `inputScale`, which SAELens wants folded into the weights, to a
 * rounding.
 *
 * @param folder Made where missing; a stitched SAE in it is replaced.
 * @throws {Error} An SAE is inconsistent or cannot be stored (see `saveSae`), or the folder cannot be
 * written.
 */
export async function saveStitchedSae(stitched: StitchedSae, folder: string): Promise<void> {
  checkStitchedSae(stitched);
  const { small, large, smallLatents, largeLatents } = stitched;
  for (const [name, sae] of Object.entries({ small, large })) {
    try {
      checkSavable(sae);
    } catch (error) {
      throw new Error(`${name}: ${(error as Error).message}`, { cause: error });
    }
  }
  const path = join(folder, NAME);
  try {
    await Deno.remove(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) {
      throw new Error(`cannot replace ${path}: ${(error as Error).message}`, { cause: error });
    }
  }
  await saveSae(small, join(folder, "small"));
  await saveSae(large, join(folder, "large"));
  const lists = {
    smallLatents: Array.from(smallLatents),
    largeLatents: Array.from(largeLatents),
  };
  await replaceText(
    path,
    JSON.stringify({ format: FORMAT, ...lists, crc32: checksum(lists) }) + "\n",
  );
}

/**
 * Loads a stitched SAE from a folder that {@linkcode saveStitchedSae} wrote.
 *
 * @throws {Error} A file is missing or malformed, a latent is not in its SAE, or the SAEs cannot be
 * stitched.
 */
export async function loadStitchedSae(
  folder: string,
  options: LoadSaeOptions = {},
): Promise<StitchedSae> {
  const path = join(folder, NAME);
  const { smallLatents, largeLatents } = parseLatents(path, readText(path));
  const small = await loadSae(join(folder, "small"), options);
  const large = await loadSae(join(folder, "large"), options);
  try {
    return stitch(small, large, { small: smallLatents, large: largeLatents });
  } catch (error) {
    throw new Error(`${(error as Error).message}, in ${path}`, { cause: error });
  }
}

/** Of the two lists: one digit that is damaged would be another latent. */
function checksum({ smallLatents, largeLatents }: Record<string, number[]>): string {
  return crc32(JSON.stringify([smallLatents, largeLatents])).toString(16).padStart(8, "0");
}

function readText(path: string): string {
  try {
    return readRegularText(path);
  } catch (error) {
    const missing = error instanceof Deno.errors.NotFound;
    const why = missing
      ? "there is no such file (was saving it interrupted?)"
      : (error as Error).message;
    throw new Error(`cannot load a stitched SAE from ${path}: ${why}`, { cause: error });
  }
}

function parseLatents(
  path: string,
  text: string,
): { smallLatents: number[]; largeLatents: number[] } {
  // deno-lint-ignore no-explicit-any
  const found = parseCheckedJson(path, text) as any;
  if (found?.format !== FORMAT) {
    throw new Error(`${path} has format ${found?.format}, this version reads ${FORMAT}`);
  }
  for (const name of ["smallLatents", "largeLatents"]) {
    if (!Array.isArray(found[name])) {
      throw new Error(`${name} is not a list of latents in ${path}`);
    }
  }
  // Earlier versions wrote none.
  if (found.crc32 !== undefined && found.crc32 !== checksum(found)) {
    throw new Error(
      `${path} is damaged: the checksum of its latents is ${checksum(found)}, it says ${
        JSON.stringify(found.crc32)
      }`,
    );
  }
  return found;
}
