// SAELens in both directions: SAEs that one saves are loaded and run by the other.
import { join } from "@std/path";
import { encode, loadSae, openDevice, reconstruct, type Sae, saveSae } from "../../mod.ts";
import { ARCHITECTURES } from "../../lib/sae/architectures/registry.ts";
import { createRandom } from "../../lib/random.ts";
import type { Device, Matrix } from "../../mod.ts";
import { readFloats } from "./exported_models.ts";
import type { Peers, Row } from "./peer.ts";

export const title = "SAELens, both ways";

const LIMIT = 1e-5;
const NORMALIZATIONS = ["none", "constant_norm_rescale", "layer_norm", "expected_average_only_in"];

export async function* check(peers: Peers): AsyncGenerator<Row> {
  using device = await openDevice({ device: "cpu" });
  yield* theirs(device, peers);
  yield* ours(device, peers);
}

async function* theirs(device: Device, { folder, python }: Peers): AsyncGenerator<Row> {
  const out = join(folder, "theirs");
  await Deno.mkdir(out);
  const cases = await python("sae_lens_save.py", [out]) as {
    name: string;
    d: number;
    error?: string;
  }[];
  for (const { name, d, error } of cases) {
    const label = `saved by SAELens: ${name}`;
    if (error) {
      yield { check: label, measured: "SAELens itself fails", note: error };
      continue;
    }
    let sae: Sae;
    try {
      sae = await loadSae(join(out, name));
    } catch (error) {
      yield { check: label, measured: "refused", note: (error as Error).message };
      continue;
    }
    const read = (kind: string) => readFloats(join(out, `${name}.${kind}.f32`));
    const data = await read("x");
    const x = { data, rows: data.length / d, cols: d };
    // SAELens applies no factor when it runs such an SAE.
    const unscaled = sae.inputNormalization === "expected_average_only_in" && !sae.inputScale;
    const { f, y } = await answers(device, unscaled ? { ...sae, inputScale: 1 } : sae, x);
    const difference = Math.max(apart(f, await read("f")), apart(y, await read("y")));
    const note = unscaled ? "with inputScale 1: SAELens applies no factor" : undefined;
    yield { check: label, difference, limit: LIMIT, ...note !== undefined && { note } };
  }
}

async function* ours(device: Device, { folder, python }: Peers): AsyncGenerator<Row> {
  const out = join(folder, "ours");
  await Deno.mkdir(out);
  for (const architecture of ARCHITECTURES) {
    for (const inputNormalization of NORMALIZATIONS as Sae["inputNormalization"][]) {
      for (const subtractDecoderBias of [true, false]) {
        for (const inputTransform of ["none", "center"] as const) {
          const sae = madeSae({
            architecture,
            inputNormalization,
            subtractDecoderBias,
            inputTransform,
          });
          const bias = subtractDecoderBias ? "b_dec" : "no_b_dec";
          const name = [architecture, inputNormalization, bias, inputTransform].join("-");
          await saveSae(sae, join(out, name));
          const x = samples(sae.dModel);
          const { f, y } = await answers(device, sae, x);
          for (const [kind, data] of [["x", x.data], ["f", f], ["y", y]] as const) {
            await Deno.writeFile(join(out, `${name}.${kind}.f32`), new Uint8Array(data.buffer));
          }
        }
      }
    }
  }
  const found = await python("sae_lens_load.py", [out]) as Record<
    string,
    { f: number; y: number; active: number; error?: string }
  >;
  // One row an architecture: its worst setting. What SAELens does not load, or where nothing is active and
  // everything would agree, is a row of its own.
  const worst = new Map<string, { name: string; difference: number; settings: number }>();
  for (const [name, { f, y, active, error }] of Object.entries(found)) {
    if (error || !(active > 0)) {
      yield { check: `loaded by SAELens: ${name}`, note: error ?? "no latent is active" };
      continue;
    }
    const architecture = name.split("-")[0];
    const before = worst.get(architecture) ?? { name, difference: -1, settings: 0 };
    const settings = before.settings + 1;
    const difference = Math.max(f, y);
    worst.set(
      architecture,
      !(difference <= before.difference) ? { name, difference, settings } : { ...before, settings },
    );
  }
  for (const [architecture, { name, difference, settings }] of worst) {
    yield {
      check: `loaded by SAELens: ${architecture}, ${settings} settings`,
      difference,
      limit: LIMIT,
      note: `the worst, ${name}`,
    };
  }
}

/** Activations of latents as a dense array, and reconstructions. */
async function answers(device: Device, sae: Sae, x: Matrix) {
  const { rowOffsets, latents, values } = await encode(device, sae, x);
  const f = new Float32Array(x.rows * sae.dictSize);
  for (let r = 0; r < x.rows; r++) {
    for (let at = rowOffsets[r]; at < rowOffsets[r + 1]; at++) {
      f[r * sae.dictSize + latents[at]] = values[at];
    }
  }
  return { f, y: (await reconstruct(device, sae, x)).data as Float32Array<ArrayBuffer> };
}

/** The largest difference over the largest number. */
function apart(found: Float32Array, wanted: Float32Array): number {
  let [most, size] = [0, 1e-30];
  wanted.forEach((value, i) => {
    const difference = Math.abs(found[i] - value);
    if (!(difference <= most)) most = difference;
    size = Math.max(size, Math.abs(value));
  });
  return found.length === wanted.length ? most / size : Infinity;
}

function samples(d: number): Matrix {
  const { uniform } = createRandom(7);
  const data = Float32Array.from({ length: 32 * d }, () => 4 * uniform() + 1);
  return { data, rows: 32, cols: d };
}

function madeSae(
  kind: Pick<
    Sae,
    "architecture" | "inputNormalization" | "subtractDecoderBias" | "inputTransform"
  >,
): Sae {
  const [d, m] = [24, 64];
  const { uniform } = createRandom(3);
  const numbers = (length: number, scale: number) =>
    Float32Array.from({ length }, () => (2 * uniform() - 1) * scale);
  const wDec = numbers(m * d, 1);
  for (let i = 0; i < m; i++) {
    const row = wDec.subarray(i * d, i * d + d);
    const norm = Math.hypot(...row);
    row.forEach((value, j) => row[j] = value / norm);
  }
  const { architecture } = kind;
  const jumps = architecture !== "relu" && architecture !== "topk";
  return {
    ...kind,
    dModel: d,
    dictSize: m,
    wEnc: numbers(m * d, 0.5),
    bEnc: numbers(m, 0.3),
    wDec,
    bDec: numbers(d, 0.5),
    ...!["relu", "jumprelu"].includes(architecture) && { k: 8 },
    ...jumps && {
      threshold: architecture === "jumprelu"
        ? numbers(m, 0.5).map(Math.abs)
        : new Float32Array(m).fill(0.4),
    },
    ...kind.inputNormalization === "expected_average_only_in" && { inputScale: 0.7 },
    metadata: { model: "gpt2", hook: "blocks.1.hook_resid_pre" },
  };
}
