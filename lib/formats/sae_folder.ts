import { join } from "@std/path";
import { checkSae } from "../sae/check.ts";
import { foldInputScale } from "../sae/fold_input_scale.ts";
import type { Sae } from "../sae/sae.ts";
import { checkSavable } from "./check_savable.ts";
import { replaceText } from "./replace_file.ts";
import { saeConfig } from "./sae_config.ts";
import { CONFIG, SAE_LENS_WEIGHTS } from "./sae_files.ts";
import { writeSafetensors } from "./safetensors.ts";
import { transposedPieces } from "./tensor_file.ts";

/**
 * Saves an SAE as a folder that SAELens reads too: `cfg.json` and `sae_weights.safetensors` (float32).
 * A batchtopk SAE is stored as the jumprelu with a constant threshold that it is at inference, with
 * a note from which `loadSae` makes a batchtopk SAE again. The `inputScale` of an SAE that normalises by
 * "expected_average_only_in" is folded into its weights, since SAELens applies none when an SAE runs;
 * `loadSae` takes it out again, to one rounding of each weight. Other SAEs keep every bit. Each file is
 * written beside its place and renamed into it, `cfg.json` last.
 *
 * @param sae The SAE; weights must be finite.
 * @param folder Made where missing; files of an SAE in it are replaced.
 * @throws {Error} The SAE is inconsistent (the message names the field, what was found and what is
 * wanted), a batchtopk SAE has no threshold yet, or the folder cannot be written.
 */
export async function saveSae(sae: Sae, folder: string): Promise<void> {
  const { dModel: d, dictSize: m } = sae;
  checkSae(sae);
  if (sae.architecture === "topk" || sae.architecture === "batchtopk") {
    if (sae.k === undefined) throw new Error(`k is missing, which a ${sae.architecture} SAE needs`);
  }
  checkSavable(sae);
  const { wEnc, wDec, bEnc, bDec, threshold } = sae.inputScale ? foldInputScale(sae) : sae;
  const config = JSON.stringify(saeConfig(sae), undefined, 2);
  try {
    await Deno.mkdir(folder, { recursive: true });
  } catch (error) {
    const isFile = error instanceof Deno.errors.AlreadyExists ||
      error instanceof Deno.errors.NotADirectory;
    const why = isFile ? "it is, or lies in, a file, expected a folder" : (error as Error).message;
    throw new Error(`cannot save an SAE to ${folder}: ${why}`, { cause: error });
  }
  await writeSafetensors(join(folder, SAE_LENS_WEIGHTS), {
    W_enc: { shape: [d, m], data: transposedPieces(wEnc, m, d) },
    W_dec: { shape: [m, d], data: wDec },
    b_enc: { shape: [m], data: bEnc },
    b_dec: { shape: [d], data: bDec },
    ...(threshold ? { threshold: { shape: [m], data: threshold } } : {}),
  });
  await replaceText(join(folder, CONFIG), config + "\n");
}
