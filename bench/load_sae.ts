// Time and peak memory of loading large SAEs, each in its own process:
//   deno task bench:load [--m 49152] [--d 768] [--rounds 3] [--folder FOLDER]
// "floor" is a process that only allocates the SAE's arrays and reads as many bytes.
import { parseArgs } from "@std/cli";
import { join } from "@std/path";
import { loadSae, type Sae, saveSae } from "../mod.ts";
import { median } from "./peer.ts";
import { writeNpz } from "./write_npz.ts";

const args = parseArgs(Deno.args, { string: ["m", "d", "rounds", "folder", "load", "floor"] });
const number = (name: string, otherwise: number) => Number(args[name] ?? otherwise);

/** Peak resident memory in bytes: the system's own count where it has one. */
function peakMemory(): number {
  try {
    const status = Deno.readTextFileSync("/proc/self/status");
    return Number(/VmHWM:\s+(\d+) kB/.exec(status)![1]) * 1024;
  } catch {
    return Deno.memoryUsage().rss;
  }
}

/** The child process: loads an SAE, and prints seconds and bytes. */
async function measure(load: () => Promise<Float32Array[]>): Promise<void> {
  const before = peakMemory();
  const started = performance.now();
  const arrays = await load();
  const seconds = (performance.now() - started) / 1000;
  const own = arrays.reduce((sum, array) => sum + array.byteLength, 0);
  console.log(JSON.stringify({ seconds, peak: peakMemory() - before, own }));
}

async function readPlainly(path: string): Promise<Float32Array[]> {
  const { size } = await Deno.stat(path);
  const data = new Float32Array(Math.floor(size / 4));
  const bytes = new Uint8Array(data.buffer);
  using file = await Deno.open(path);
  for (let at = 0; at < bytes.length;) {
    at += await file.read(bytes.subarray(at, at + 4 * 2 ** 20)) ?? Infinity;
  }
  return [data];
}

async function compare(): Promise<void> {
  const [d, m] = [number("d", 768), number("m", 49152)];
  const folder = await Deno.makeTempDir({ dir: args.folder, prefix: "saewing-load-" });
  try {
    const numbers = (count: number) => {
      const data = new Float32Array(count);
      for (let i = 0, x = 1; i < count; i++) {
        x = (Math.imul(x, 1664525) + 1013904223) | 0;
        data[i] = x / 2 ** 31;
      }
      return data;
    };
    const sae: Sae = {
      architecture: "jumprelu",
      dModel: d,
      dictSize: m,
      wEnc: numbers(m * d),
      bEnc: numbers(m),
      wDec: numbers(m * d),
      bDec: numbers(d),
      threshold: numbers(m),
      subtractDecoderBias: false,
      inputNormalization: "none",
      metadata: {},
    };
    const saeLens = join(folder, "sae");
    await saveSae(sae, saeLens);
    const files = { floor: "", SAELens: saeLens, "npz, stored": "", "npz, deflated": "" };
    files.floor = join(saeLens, "sae_weights.safetensors");
    for (const deflated of [false, true]) {
      const path = join(folder, deflated ? "deflated.npz" : "stored.npz");
      await writeNpz(path, {
        W_enc: { shape: [d, m], data: sae.wEnc },
        W_dec: { shape: [m, d], data: sae.wDec },
        b_enc: { shape: [m], data: sae.bEnc },
        b_dec: { shape: [d], data: sae.bDec },
        threshold: { shape: [m], data: sae.threshold! },
      }, deflated);
      files[deflated ? "npz, deflated" : "npz, stored"] = path;
    }
    const { size } = await Deno.stat(files.floor);
    console.log(`d ${d}, m ${m}: ${(size / 1e6).toFixed(0)} MB of float32`);
    const results: Record<string, { seconds: number; peak: number; own: number }[]> = {};
    for (let round = 0; round < number("rounds", 3); round++) {
      for (const [name, path] of Object.entries(files)) {
        const script = new URL(import.meta.url).pathname;
        const child = new Deno.Command(Deno.execPath(), {
          args: ["run", "-A", script, name === "floor" ? "--floor" : "--load", path],
          stderr: "inherit",
        });
        const { stdout } = await child.output();
        (results[name] ??= []).push(JSON.parse(new TextDecoder().decode(stdout)));
      }
    }
    for (const [name, all] of Object.entries(results)) {
      const middle = (key: "seconds" | "peak" | "own") => median(all.map((one) => one[key]));
      const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(0)} MB`;
      console.log(
        `${name.padEnd(14)} ${middle("seconds").toFixed(2).padStart(6)} s   ` +
          `peak ${megabytes(middle("peak")).padStart(7)} above the start, ` +
          `${megabytes(middle("own"))} of them the arrays`,
      );
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

if (args.floor) await measure(() => readPlainly(args.floor!));
else if (args.load) {
  await measure(async () => {
    const { wEnc, wDec, bEnc, bDec, threshold } = await loadSae(args.load!);
    return [wEnc, wDec, bEnc, bDec, threshold!];
  });
} else await compare();
