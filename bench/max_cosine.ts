// Largest decoder cosine of every latent: ours and PyTorch's chunked product, alternately in one run:
//   deno task bench:max-cosine [--size 24576] [--to 24576] [--d 768] [--chunk 1024] [--device auto] [--rounds 3]
import { parseArgs } from "@std/cli";
import { cpus } from "node:os";
import { createRandom, type DeviceOptions, type Matrix, openDevice } from "../mod.ts";
import { maxDecoderCosine } from "../lib/stitching/mod.ts";
import { findPython, median, writeFloats } from "./peer.ts";

const args = parseArgs(Deno.args, {
  string: ["size", "to", "d", "chunk", "device", "rounds"],
});
const size = Number(args.size ?? 24576);
const others = Number(args.to ?? size);
const d = Number(args.d ?? 768);
const chunk = Number(args.chunk ?? 1024);
const rounds = Number(args.rounds ?? 3);

interface Peer {
  seconds: number;
  peak: number;
  before: number;
  torch: string;
  threads: number;
}

function randomRows(seed: number, rows: number): Matrix {
  const random = createRandom(seed);
  const data = Float32Array.from({ length: rows * d }, () => random.uniform() - 0.5);
  return { data, rows, cols: d };
}

const [from, to] = [randomRows(1, size), randomRows(2, others)];
const mebibytes = (bytes: number) => `${(bytes / 2 ** 20).toFixed(0)} MiB`;
const flops = 2 * size * others * d;
const line = (name: string, seconds: number, memory: string) =>
  console.log(
    `${name.padEnd(44)} ${seconds.toFixed(2).padStart(8)} s ` +
      `${(flops / seconds / 1e9).toFixed(1).padStart(8)} GFLOP/s   ${memory}`,
  );
const load = () => Deno.loadavg()[0].toFixed(1);

console.log(
  `maxDecoderCosine, ${size} × ${others} latents, d ${d}; ${cpus()[0]?.model ?? "unknown CPU"}, ` +
    `${navigator.hardwareConcurrency} cores, load ${load()} at the start`,
);
using device = await openDevice({ device: args.device as DeviceOptions["device"] });
// Compiles the kernels before the timing starts.
const few = (x: Matrix) => ({ ...x, rows: 2, data: x.data.subarray(0, 2 * d) });
await maxDecoderCosine(device, few(to), few(from));
const before = Deno.memoryUsage().rss;
let [peak, onDevice] = [before, 0];
const account = device.account;
device.account = (bytes, what) => {
  account(bytes, what);
  onDevice = Math.max(onDevice, device.allocated);
};

async function runOurs() {
  let candidates: number | undefined;
  const started = performance.now();
  const found = await maxDecoderCosine(device, to, from, {
    onProgress(progress) {
      peak = Math.max(peak, Deno.memoryUsage().rss);
      candidates = progress.candidates;
    },
  });
  return { ...found, candidates, seconds: (performance.now() - started) / 1000 };
}

async function runPeer(python: string, folder: string): Promise<Peer> {
  const files = ["from", "to", "out"].flatMap((name) => [`--${name}`, `${folder}/${name}`]);
  const { success, stdout } = await new Deno.Command(python, {
    args: [
      new URL("./peer_max_cosine.py", import.meta.url).pathname,
      ...files,
      ...["--d", String(d), "--chunk", String(chunk)],
    ],
    stderr: "inherit",
  }).output();
  if (!success) throw new Error("the PyTorch peer failed");
  return JSON.parse(new TextDecoder().decode(stdout));
}

const python = await findPython();
const folder = await Deno.makeTempDir();
try {
  for (const [name, { data }] of [["from", from], ["to", to]] as const) {
    using file = await Deno.open(`${folder}/${name}`, { write: true, create: true });
    await writeFloats(file, data);
  }
  const [ours, theirs]: [Awaited<ReturnType<typeof runOurs>>[], Peer[]] = [[], []];
  for (let round = 0; round < rounds; round++) {
    const own = await runOurs();
    ours.push(own);
    const screened = own.candidates === undefined
      ? ""
      : `${(own.candidates / size).toFixed(2)} exact dots per row; `;
    line(
      `saewing on ${device.name}`,
      own.seconds,
      `${screened}${mebibytes(onDevice)} on the device; ` +
        `${mebibytes(peak)} resident, ${mebibytes(before)} before`,
    );
    if (python === undefined) continue;
    const peer = await runPeer(python, folder);
    theirs.push(peer);
    line(
      `PyTorch ${peer.torch} on the CPU, ${peer.threads} threads`,
      peer.seconds,
      `${mebibytes(peer.peak)} resident, ${mebibytes(peer.before)} before`,
    );
  }
  console.log(`load ${load()} at the end`);
  if (theirs.length > 0) {
    const [own, peer] = [ours, theirs].map((runs) => median(runs.map(({ seconds }) => seconds)));
    console.log(`ratio of the medians (PyTorch / saewing): ${(peer / own).toFixed(3)}`);
    const cosine = new Float32Array((await Deno.readFile(`${folder}/out`)).buffer);
    const nearest = new Uint32Array((await Deno.readFile(`${folder}/out.nearest`)).buffer);
    const found = ours[0];
    const distance = found.cosine.reduce(
      (most, x, i) => Math.max(most, Math.abs(x - cosine[i])),
      0,
    );
    const same = found.nearest.reduce((sum, j, i) => sum + (j === nearest[i] ? 1 : 0), 0);
    console.log(`cosines differ by at most ${distance.toExponential(1)}, ${same} neighbours agree`);
  }
} finally {
  await Deno.remove(folder, { recursive: true });
}
