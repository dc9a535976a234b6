import { join } from "@std/path";
import { architectureOf } from "../sae/architectures/registry.ts";
import { checkSae } from "../sae/check.ts";
import { foldInputScale } from "../sae/fold_input_scale.ts";
import type { Sae } from "../sae/sae.ts";
import { checkSavable } from "./check_savable.ts";
import { replaceText } from "../files/replace_file.ts";
import { CONFIG, SAE_LENS_WEIGHTS } from "./sae_files.ts";
import { type TensorSource, writeSafetensors } from "./safetensors.ts";
import { CONFIG_BEFORE, seal } from "./sealed_weights.ts";
import { transposedPieces } from "./tensor_file.ts";
import { saeConfig } from "./write_sae_config.ts";

/**
 * Saves an SAE as a folder that SAELens reads too: `cfg.json` and `sae_weights.safetensors` (float32).
 * A batchtopk SAE is stored as the jumprelu with a constant threshold that it is at inference, with
 * a note from which `loadSae` makes a batchtopk SAE again. The `inputScale` of an SAE that normalises by
 * "expected_average_only_in" is folded into its weights, since SAELens applies none when an SAE runs;
 * `loadSae` takes it out again, to one rounding of each weight. Other SAEs keep every bit.
 *
 * Each file is written beside its place and renamed into it. The weights hold a copy of their config and a
 * checksum, and there is no `cfg.json` while they are replaced: a process that is killed in between leaves
 * the SAE before or the new one for `loadSae`, and for SAELens one of them or none, but never weights with
 * the config of others.
 *
 * @param sae The SAE; weights must be finite.
 * @param folder Made where missing; files of an SAE in it are replaced.
 * @throws {Error} The SAE is inconsistent (the message names the field, what was found and what is
 * wanted), a batchtopk SAE has no threshold yet, or the folder cannot be written.
 */
export async function saveSae(sae: Sae, folder: string): Promise<void> {
  const { dModel: d, dictSize: m } = sae;
  checkSae(sae);
  if (architectureOf(sae.architecture).k !== "none" && sae.k === undefined) {
    throw new Error(`k is missing, which a ${sae.architecture} SAE needs`);
  }
  checkSavable(sae);
  const stored = sae.inputScale ? foldInputScale(sae) : sae;
  const { wEnc, wDec, bEnc, bDec, threshold } = stored;
  const config = JSON.stringify(saeConfig(sae, stored), undefined, 2) + "\n";
  try {
    await Deno.mkdir(folder, { recursive: true });
  } catch (error) {
    const isFile = error instanceof Deno.errors.AlreadyExists ||
      error instanceof Deno.errors.NotADirectory;
    const why = isFile ? "it is, or lies in, a file, expected a folder" : (error as Error).message;
    throw new Error(`cannot save an SAE to ${folder}: ${why}`, { cause: error });
  }
  const tensors = (): Record<string, TensorSource> => ({
    W_enc: { shape: [d, m], data: transposedPieces(wEnc, m, d) },
    W_dec: { shape: [m, d], data: wDec },
    b_enc: { shape: [m], data: bEnc },
    b_dec: { shape: [d], data: bDec },
    ...(threshold ? { threshold: { shape: [m], data: threshold } } : {}),
  });
  const path = join(folder, CONFIG);
  const before = join(folder, CONFIG_BEFORE);
  let setAside = false;
  try {
    await writeSafetensors(
      join(folder, SAE_LENS_WEIGHTS),
      tensors(),
      seal(config, tensors()),
      async () => {
        // The rename at the end would not replace a folder.
        if ((await Deno.stat(path).catch(() => undefined))?.isDirectory) {
          throw new Error(`cannot write ${path}: it is a folder`);
        }
        setAside = await unlessMissing(Deno.rename(path, before));
      },
    );
  } catch (error) {
    if (setAside) await Deno.rename(before, path);
    throw error;
  }
  await replaceText(path, config);
  await unlessMissing(Deno.remove(before));
}

/** Whether there was a file to do it to. */
async function unlessMissing(work: Promise<void>): Promise<boolean> {
  try {
    await work;
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
