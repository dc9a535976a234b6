// Runs PyTorch's and SAELens's training steps (peer_step.py) on batches and weights handed over in files.
import type { Sae, TrainOptions } from "../mod.ts";

/** Which step: the paper's authors' dense one, a sparse one, SAELens's trainer, or only x · W_encᵀ. */
export type PeerName = "dense" | "sparse" | "saelens" | "product";

/** What to run; options of training have their names in TrainOptions. */
export interface PeerOptions extends
  Pick<
    TrainOptions,
    | "auxCoefficient"
    | "auxK"
    | "deadAfter"
    | "sparsityCoefficient"
    | "sparsityWarmupSteps"
    | "bandwidth"
    | "initialThreshold"
    | "gradientClip"
    | "inputNormalization"
  > {
  /** Default "dense". */
  peer?: PeerName;
  /** Samples of each batch. */
  n: number;
  /** Steps to take; the batches are cycled through. */
  steps: number;
  /** Adam's learning rate. */
  learningRate: number;
  /** Default "float32". */
  dtype?: "float32" | "float64";
  /** Default "cuda" where available. */
  device?: "cpu" | "cuda";
  /** Whether products on a CUDA device may round their input to TF32. */
  tf32?: boolean;
}

/** What the peer reports. */
export interface PeerResult {
  /** Milliseconds of each step. */
  milliseconds: number[];
  /** Loss of each step; SAELens's is divided by d. */
  losses: number[];
  /** Active latents per sample of each step; for SAELens only of the last step. */
  l0: number[];
  /** Inference threshold (Eq. 8), only for the dense step. */
  threshold: number;
  /** The device that it ran on. */
  device: string;
  /** PyTorch's version. */
  torch: string;
  /** SAELens's name and version. */
  version?: string;
  /** Threads that PyTorch used. */
  threads: number;
}

/** Measured peak rates of a machine. */
export interface Ceilings {
  /** Of a large float32 product, 10⁹ operations a second. */
  gflops: number;
  /** Of a = b + 2c over large arrays, 10⁹ bytes per second. */
  gbs: number;
}

/**
 * A Python with PyTorch: the one that the environment variable PYTHON names, or python3. Without one, prints
 * that and returns undefined.
 */
export async function findPython(): Promise<string | undefined> {
  const python = Deno.env.get("PYTHON") ?? "python3";
  if (await succeeds(python, "import torch, numpy")) return python;
  console.log("no Python with PyTorch was found (PYTHON names the interpreter)");
}

/** Whether the Python has SAELens. */
export function hasSaeLens(python: string): Promise<boolean> {
  return succeeds(python, "import importlib.util as u; assert u.find_spec('sae_lens')");
}

/** Whether the Python's PyTorch has a CUDA device. */
export function hasCuda(python: string): Promise<boolean> {
  return succeeds(python, "import torch; assert torch.cuda.is_available()");
}

async function succeeds(python: string, code: string): Promise<boolean> {
  try {
    const probe = new Deno.Command(python, { args: ["-c", code], stderr: "null", stdout: "null" });
    return (await probe.output()).success;
  } catch {
    return false; // No such program.
  }
}

/** Measures the peak rates of PyTorch on a device. */
export function measureCeilings(python: string, device: "cpu" | "cuda"): Promise<Ceilings> {
  return runJob(python, { peer: "ceilings", device }) as Promise<Ceilings>;
}

/**
 * Takes some steps of a peer.
 *
 * @param weightFile wEnc, bEnc, wDec, bDec of `sae`, by {@linkcode writeWeights}.
 * @param batchFile Batches of [n, d], one after the other.
 * @param out A file for the trained weights, and for JumpReLU's thresholds.
 */
export function runSteps(
  python: string,
  { architecture, dModel: d, dictSize: m, k }: Sae,
  weightFile: string,
  batchFile: string,
  options: PeerOptions,
  out?: string,
): Promise<PeerResult> {
  const files = { weights: weightFile, batches: batchFile, out };
  const job = { peer: "dense", ...options, architecture, d, m, k, ...files };
  return runJob(python, job) as Promise<PeerResult>;
}

/** Trains a peer from `initial`; undefined without {@linkcode findPython}. */
export async function runPeer(
  initial: Sae,
  batchFile: string,
  options: PeerOptions,
): Promise<PeerResult & { sae: Sae } | undefined> {
  const python = await findPython();
  if (python === undefined) return undefined;
  const folder = await Deno.makeTempDir();
  try {
    const [weights, out] = [`${folder}/weights`, `${folder}/out`];
    await writeWeights(weights, initial);
    const result = await runSteps(python, initial, weights, batchFile, options, out);
    const trained = new Float32Array((await Deno.readFile(out)).buffer);
    const { dModel: d, dictSize: m } = initial;
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

async function runJob(python: string, job: Record<string, unknown>): Promise<unknown> {
  const script = new URL("peer_step.py", import.meta.url).pathname;
  const child = new Deno.Command(python, {
    args: [script],
    env: { TQDM_DISABLE: "1", PYTHONDONTWRITEBYTECODE: "1" },
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  // JSON leaves undefined fields out. A child that has failed prints why on its standard error.
  await writer.write(new TextEncoder().encode(JSON.stringify(job))).catch(() => {});
  await writer.close().catch(() => {});
  const { success, stdout, stderr } = await child.output();
  if (!success) throw new Error(`the peer failed:\n${new TextDecoder().decode(stderr)}`);
  return JSON.parse(new TextDecoder().decode(stdout).trim().split("\n").at(-1)!);
}

/** Writes wEnc, bEnc, wDec and bDec into a file. */
export async function writeWeights(path: string, { wEnc, bEnc, wDec, bDec }: Sae): Promise<void> {
  using file = await Deno.open(path, { write: true, create: true, truncate: true });
  for (const part of [wEnc, bEnc, wDec, bDec]) await writeFloats(file, part);
}

/** Writes a whole array. */
export async function writeFloats(file: Deno.FsFile, data: Float32Array): Promise<void> {
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  for (let done = 0; done < bytes.length;) done += await file.write(bytes.subarray(done));
}

/** The upper median. */
export function median(numbers: number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}
