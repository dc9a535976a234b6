// Runs the PyTorch peer on batches and weights handed over in files.
import type { Sae } from "../mod.ts";

/** What the peer reports. */
export interface PeerResult {
  /** Milliseconds of each step. */
  milliseconds: number[];
  /** Inference threshold (Eq. 8). */
  threshold: number;
  /** Where it ran. */
  device: string;
  /** Its version. */
  torch: string;
  /** Its threads. */
  threads: number;
  /** What it trained. */
  sae: Sae;
}

/**
 * A Python that has PyTorch: the one that the environment variable PYTHON names, or python3. Where there is none,
 * says so and gives undefined.
 */
export async function findPython(): Promise<string | undefined> {
  const python = Deno.env.get("PYTHON") ?? "python3";
  try {
    const probe = new Deno.Command(python, { args: ["-c", "import torch, numpy"], stderr: "null" });
    if ((await probe.output()).success) return python;
  } catch { /* No such program. */ }
  console.log("no Python with PyTorch was found (PYTHON names the interpreter)");
}

/** Trains the peer from `initial`, with the options of its script; undefined without {@link findPython}. */
export async function runPeer(
  initial: Sae,
  batchFile: string,
  options: { n: number; steps: number; lr: number } & Record<string, string | number | undefined>,
  script = "peer_batchtopk.py",
): Promise<PeerResult | undefined> {
  const python = await findPython();
  if (python === undefined) return undefined;
  const folder = await Deno.makeTempDir();
  try {
    const { wEnc, bEnc, wDec, bDec, dModel: d, dictSize: m, k } = initial;
    const file = await Deno.open(`${folder}/weights`, { write: true, create: true });
    for (const part of [wEnc, bEnc, wDec, bDec]) await writeFloats(file, part);
    file.close();
    const sizes = { ...options, d, m, k };
    const { success, stdout } = await new Deno.Command(python, {
      args: [
        new URL(script, import.meta.url).pathname,
        ...["--batches", batchFile, "--weights", `${folder}/weights`, "--out", `${folder}/out`],
        ...Object.entries(sizes).filter(([, value]) => value !== undefined)
          .flatMap(([name, value]) => [`--${name}`, String(value)]),
      ],
      stderr: "inherit",
    }).output();
    if (!success) throw new Error("the PyTorch peer failed");
    const result = JSON.parse(new TextDecoder().decode(stdout));
    const trained = new Float32Array((await Deno.readFile(`${folder}/out`)).buffer);
    const sae = {
      ...initial,
      wEnc: trained.slice(0, m * d),
      bEnc: trained.slice(m * d, m * d + m),
      wDec: trained.slice(m * d + m, 2 * m * d + m),
      bDec: trained.slice(2 * m * d + m, 2 * m * d + m + d),
      threshold: trained.length > 2 * m * d + m + d
        ? trained.slice(2 * m * d + m + d)
        : new Float32Array(m).fill(result.threshold),
    };
    return { ...result, sae };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Writes all of an array. */
export async function writeFloats(file: Deno.FsFile, data: Float32Array): Promise<void> {
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  for (let done = 0; done < bytes.length;) done += await file.write(bytes.subarray(done));
}

/** The middle one. */
export function median(numbers: number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}
