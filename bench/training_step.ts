// Milliseconds of a training step, ours on each device, PyTorch's and SAELens's, alternately in one process tree:
// ours, the peers, ours, the peers, …; medians over all rounds. PYTHON names the interpreter of the peers.
//   deno task bench [--shapes "n,d,m,k;…"] [--architecture batchtopk|topk|relu|jumprelu|all] [--l0 32,256,all]
//     [--steps 4] [--rounds 3] [--devices gpu,cpu,software or ""] [--peers dense,sparse,saelens,product]
//     [--peer-devices cpu,cuda,tf32] [--dead-after 1000] [--markdown] [--csv FILE]
// relu and jumprelu, which have no k, start from a bias with which about `--l0` latents are active (default k).
// No latent of the others dies, so that the auxiliary loss costs nothing, unless `--dead-after` is small.
// Rates count the operations and bytes that a step needs at least (step_table.ts); the peak rates of the machine are
// measured in the same run.
import { parseArgs } from "@std/cli";
import { cpus } from "node:os";
import { hasHardwareGpu } from "../lib/device/gpu.ts";
import { type Architecture, type Device, type DeviceOptions, openDevice } from "../mod.ts";
import {
  type Ceilings,
  findPython,
  hasCuda,
  hasSaeLens,
  measureCeilings,
  type PeerName,
  type PeerResult,
  runSteps,
  writeFloats,
  writeWeights,
} from "./peer.ts";
import { makeInputs, runOurs, type StepInputs, WARMUP } from "./step_case.ts";
import { parseShapes, type StepCase, type StepRow, tableCsv, tableLines } from "./step_table.ts";

/** Opens the requested devices, by default all but the software adapter; prints which are not available. */
async function openDevices(kinds?: string[]): Promise<Device[]> {
  kinds ??= await hasHardwareGpu() ? ["gpu", "cpu"] : ["cpu"];
  const devices: Device[] = [];
  for (const device of kinds as DeviceOptions["device"][]) {
    try {
      devices.push(await openDevice({ device }));
    } catch (error) {
      console.log(`${device} is left out: ${(error as Error).message}`);
    }
  }
  return devices;
}

/** Whether steps run asynchronously, so that synchronizing after each would slow them down. */
const isHardware = (device: Device) => !device.software;

const text = parseArgs(Deno.args, {
  string: [
    "shapes",
    "architecture",
    "l0",
    "steps",
    "rounds",
    "devices",
    "peers",
    "peer-devices",
    "dead-after",
    "csv",
  ],
  boolean: ["markdown"],
});
const SHAPES = "4096,768,12288,32;4096,768,3072,32;2048,576,2048,32;2048,128,1024,16";
const shapes = parseShapes(text.shapes ?? SHAPES);
const architectures =
  (text.architecture === "all"
    ? ["batchtopk", "topk", "relu", "jumprelu"]
    : (text.architecture ?? "batchtopk").split(",")) as Architecture[];
const steps = Number(text.steps ?? 4);
const rounds = Number(text.rounds ?? 3);
const deadAfter = Number(text["dead-after"] ?? 1000);
let peers = (text.peers ?? "dense,sparse,saelens,product").split(",").filter(Boolean) as PeerName[];

const python = peers.length > 0 ? await findPython() : undefined;
if (python && peers.includes("saelens") && !await hasSaeLens(python)) {
  console.log("SAELens is left out: this Python has no sae-lens");
  peers = peers.filter((peer) => peer !== "saelens");
}
type PeerDevice = "cpu" | "cuda" | "tf32";
const peerDevices = (text["peer-devices"]?.split(",") ??
  (python && await hasCuda(python) ? ["cuda", "tf32"] : ["cpu"])) as PeerDevice[];
const devices = await openDevices(text.devices?.split(",").filter(Boolean));

const head = [
  `machine: ${cpus()[0]?.model ?? "unknown CPU"}, ${navigator.hardwareConcurrency} cores, ` +
  `${Deno.build.os}, Deno ${Deno.version.deno}, load ${Deno.loadavg()[0].toFixed(1)} at the start`,
  `command: deno task bench ${Deno.args.map(quoted).join(" ")}`.trimEnd(),
];
const say = (lines: string[]) => console.log(lines.join("\n") + "\n");
say(text.markdown ? head.flatMap((line) => [line, ""]).slice(0, -1) : head);
const ceilings = new Map<string, Ceilings>();
const cases: StepCase[] = [];
for (const shape of shapes) {
  for (const architecture of architectures) {
    const ragged = architecture === "relu" || architecture === "jumprelu";
    for (const l0 of ragged ? (text.l0 ?? String(shape.k)).split(",") : [""]) {
      const active = l0 === "all" ? shape.m : Number(l0);
      const measured = await measure(makeInputs(shape, architecture, active, deadAfter));
      cases.push(measured);
      say(tableLines(measured, text.markdown));
    }
  }
}
const reached = [...ceilings].map(([device, { gflops, gbs }]) =>
  `ceilings, PyTorch on ${device}: ${gflops.toFixed(0)} GFLOP/s (float32 product), ` +
  `${gbs.toFixed(1)} GB/s (a = b + 2c)`
);
// Waiting threads of PyTorch spin: on a busy machine its steps take up to 40 times as long.
const cores = navigator.hardwareConcurrency;
const load = Deno.loadavg()[0];
reached.push(
  `load at the end: ${load.toFixed(1)} on ${cores} cores` +
    (load > cores + 0.7 ? ": the machine was busy, so these times say nothing" : ""),
);
say(reached);
if (text.csv) await Deno.writeTextFile(text.csv, tableCsv([...head, ...reached], cases));
for (const device of devices) device[Symbol.dispose]();

/** Takes our step and the peers' alternately, `rounds` times. */
async function measure(inputs: StepInputs): Promise<StepCase> {
  const { shape, initial, options } = inputs;
  const measured = new Map<string, { row: StepRow; on: "cpu" | "cuda" }>();
  const add = (row: StepRow, on: "cpu" | "cuda") => {
    const known = measured.get(row.name);
    // Loss and stages stay those of the first round.
    if (known) known.row.milliseconds.push(...row.milliseconds);
    else measured.set(row.name, { row, on });
  };
  let l0: [number, number] | undefined;
  const folder = await Deno.makeTempDir();
  const [weights, batches] = [`${folder}/weights`, `${folder}/batches`];
  try {
    if (python) {
      await writeWeights(weights, initial);
      using file = await Deno.open(batches, { write: true, create: true });
      for (const { data } of inputs.batches) await writeFloats(file, data);
    }
    for (let round = 0; round < rounds; round++) {
      for (const device of devices) {
        const hardware = isHardware(device);
        const { l0: active, ...ours } = await runOurs(device, inputs, steps, hardware ? steps : 1);
        l0 = active;
        const name = `saewing, ${device.name}`;
        add({ method: "ours", name, ...ours }, hardware ? "cuda" : "cpu");
      }
      if (!python) continue;
      for (const place of peerDevices) {
        const on = place === "cpu" ? "cpu" as const : "cuda" as const;
        await raiseCeilings(on);
        const where = { n: shape.n, steps: WARMUP + steps, device: on, tf32: place === "tf32" };
        for (const peer of peers) {
          const job = { ...options, ...where, peer };
          const result = await runSteps(python, initial, weights, batches, job);
          // SAELens reports it only for its last step.
          if (peer !== "saelens" && result.l0.length > 0) l0 ??= [result.l0[0], result.l0.at(-1)!];
          const row = {
            method: peer,
            name: peerName(peer, result, place === "tf32"),
            milliseconds: result.milliseconds.slice(WARMUP),
            loss: result.losses.at(-1),
          };
          add(row, on);
        }
      }
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
  return {
    shape,
    architecture: initial.architecture,
    l0: l0 ?? [shape.k, shape.k],
    rows: [...measured.values()].map(({ row, on }) => ({ ...row, ceilings: ceilings.get(on) })),
  };
}

/** Measures the machine's peak rates once more, and keeps the largest. */
async function raiseCeilings(device: "cpu" | "cuda"): Promise<void> {
  const { gflops, gbs } = await measureCeilings(python!, device);
  const { gflops: operations = 0, gbs: bytes = 0 } = ceilings.get(device) ?? {};
  ceilings.set(device, { gflops: Math.max(gflops, operations), gbs: Math.max(gbs, bytes) });
}

function peerName(peer: PeerName, result: PeerResult, tf32: boolean): string {
  const { torch, version, device, threads } = result;
  const what = {
    dense: "dense step",
    sparse: "one product, sparse rest",
    saelens: `${version}`,
    product: "x · W_enc alone",
  }[peer];
  const where = device === "cpu" ? `${threads} threads` : `${device}${tf32 ? ", TF32" : ""}`;
  return `${what}, PyTorch ${torch}, ${where}`;
}

/** An argument quoted for a shell where needed. */
function quoted(argument: string): string {
  return /^[\w.,=/-]+$/.test(argument) ? argument : `"${argument}"`;
}
