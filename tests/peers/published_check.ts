import { fromFileUrl, join } from "@std/path";
import { loadSae } from "../../lib/formats/load_sae.ts";
import { encode, openDevice, reconstruct } from "../../mod.ts";
import type { Peers, Row } from "./peer.ts";

export const title = "Published SAEs of every family, beside SAELens's own loaders";

type Result = { f: number[]; reconstruction: number[] } | { error: string };

/** Where SAELens differs, and why. */
const reasons: Record<string, string> = {
  "made/dictionary_learning/april_update":
    "SAELens does not find the decoder's bias of AutoEncoderNew; f and x̂ are compared with its formula",
};

/** f and x̂ of the small SAEs in tests/fixtures/published, here and in SAELens, on the same samples. */
export async function* check(peers: Peers): AsyncGenerator<Row> {
  const folder = fromFileUrl(new URL("../fixtures/published", import.meta.url));
  const results = await peers.python("published_saes.py", [folder]) as Record<string, Result>;
  const { x, saes } = JSON.parse(await Deno.readTextFile(join(folder, "expected.json"))) as {
    x: number[][];
    saes: Record<string, { f: number[][]; reconstruction: number[][] }>;
  };
  const samples = { data: Float32Array.from(x.flat()), rows: x.length, cols: x[0].length };
  using device = await openDevice({ device: "cpu", workers: 0 });
  for (const name of Object.keys(saes)) {
    const theirs = results[name];
    const known = Object.entries(reasons).find(([start]) => name.startsWith(start))?.[1];
    const label = name.split("/").slice(0, 3).join("/");
    if (!theirs || "error" in theirs) {
      if (known) yield { check: label, measured: "not read by SAELens", note: known };
      else yield { check: label, note: theirs?.error ?? "not loaded there" };
      continue;
    }
    const sae = await loadSae(join(folder, name));
    const codes = await encode(device, sae, samples);
    const f = new Float32Array(codes.rows * codes.cols);
    for (let row = 0; row < codes.rows; row++) {
      for (let e = codes.rowOffsets[row]; e < codes.rowOffsets[row + 1]; e++) {
        f[row * codes.cols + codes.latents[e]] = codes.values[e];
      }
    }
    const { data } = await reconstruct(device, sae, samples);
    yield { check: `${label}, f`, difference: apart(f, theirs.f), limit: 1e-5 };
    yield { check: `${label}, x̂`, difference: apart(data, theirs.reconstruction), limit: 1e-5 };
  }
}

/** Norm of the difference relative to the norm of the second. */
function apart(found: Float32Array, wanted: number[]): number {
  if (found.length !== wanted.length) return NaN;
  let [squares, norm] = [0, 0];
  wanted.forEach((value, i) => {
    squares += (found[i] - value) ** 2;
    norm += value ** 2;
  });
  return Math.sqrt(squares / norm);
}
