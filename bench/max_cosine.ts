// Largest decoder cosine of every latent, ours beside PyTorch's chunked product, in one run:
//   deno task bench:max-cosine [--size 24576] [--to 24576] [--d 768] [--chunk 1024]
import { parseArgs } from "@std/cli";
import { createRandom, type Matrix, maxDecoderCosine, openDevice } from "../mod.ts";
import { findPython, writeFloats } from "./peer.ts";

const args = parseArgs(Deno.args, { string: ["size", "to", "d", "chunk"] });
const size = Number(args.size ?? 24576);
const others = Number(args.to ?? size);
const d = Number(args.d ?? 768);
const chunk = Number(args.chunk ?? 1024);

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

console.log(`maxDecoderCosine, ${size} × ${others} latents, d ${d}`);
using device = await openDevice();
// Kernels are compiled outside of the time.
const few = (x: Matrix) => ({ ...x, rows: 2, data: x.data.subarray(0, 2 * d) });
await maxDecoderCosine(device, few(from), few(to));
const before = Deno.memoryUsage().rss;
let [peak, onGpu] = [before, 0];
const account = device.account;
device.account = (bytes, what) => {
  account(bytes, what);
  onGpu = Math.max(onGpu, device.allocated);
};
const started = performance.now();
const ours = await maxDecoderCosine(device, from, to, {
  onProgress: () => peak = Math.max(peak, Deno.memoryUsage().rss),
});
const seconds = (performance.now() - started) / 1000;
line(
  `saewing on ${device.name}`,
  seconds,
  `${mebibytes(onGpu)} on the GPU; ${mebibytes(peak)} resident, ${mebibytes(before)} before`,
);

const python = await findPython();
if (python === undefined) Deno.exit();
const folder = await Deno.makeTempDir();
try {
  for (const [name, { data }] of [["from", from], ["to", to]] as const) {
    using file = await Deno.open(`${folder}/${name}`, { write: true, create: true });
    await writeFloats(file, data);
  }
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
  const peer = JSON.parse(new TextDecoder().decode(stdout));
  line(
    `PyTorch ${peer.torch} on the CPU, ${peer.threads} threads`,
    peer.seconds,
    `${mebibytes(peer.peak)} resident, ${mebibytes(peer.before)} before`,
  );
  console.log(`ratio (PyTorch / saewing): ${(peer.seconds / seconds).toFixed(3)}`);
  const theirs = new Float32Array((await Deno.readFile(`${folder}/out`)).buffer);
  const nearest = new Uint32Array((await Deno.readFile(`${folder}/out.nearest`)).buffer);
  const distance = ours.cosine.reduce((most, x, i) => Math.max(most, Math.abs(x - theirs[i])), 0);
  const same = ours.nearest.reduce((sum, j, i) => sum + (j === nearest[i] ? 1 : 0), 0);
  console.log(`cosines differ by at most ${distance.toExponential(1)}, ${same} neighbours agree`);
} finally {
  await Deno.remove(folder, { recursive: true });
}
