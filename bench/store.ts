// Reading a store shuffled, compared with a plain sequential read of the same files, and its share of the time
// of a training run:
//   deno task bench:store [--mb 1024] [--dtype float32] [--d 768] [--rounds 3] [--cold]
//     [--steps 6] [--n 2048] [--m 3072] [--k 32] [--folder FOLDER]
// --cold drops the system's page cache before each read (Linux, as root).
import { parseArgs } from "@std/cli";
import { join } from "@std/path";
import { createRandom, type Matrix, openDevice, trainSae, writeActivations } from "../mod.ts";
import { median } from "./peer.ts";

const names = ["mb", "dtype", "d", "rounds", "steps", "n", "m", "k", "folder"];
const args = parseArgs(Deno.args, { string: names, boolean: ["cold"] });
const number = (name: string, otherwise: number) => Number(args[name] ?? otherwise);
const dtype = args.dtype === "float16" ? "float16" : "float32";
const d = number("d", 768);
const n = number("n", 2048);
const megabytes = number("mb", 1024);
const rows = Math.floor(megabytes * 1e6 / (d * (dtype === "float32" ? 4 : 2)));
const folder = await Deno.makeTempDir({ dir: args.folder as string, prefix: "saewing-store-" });

async function* randomRows(): AsyncGenerator<Matrix> {
  const random = createRandom(1);
  const data = Float32Array.from({ length: 4096 * d }, () => 2 * random.uniform() - 1);
  for (let left = rows; left > 0; left -= 4096) {
    const some = Math.min(left, 4096);
    yield await Promise.resolve({ data: data.subarray(0, some * d), rows: some, cols: d });
  }
}

/** Seconds of one read, and the bytes read. */
async function timed(read: () => Promise<number>): Promise<[seconds: number, bytes: number]> {
  if (args.cold) await Deno.writeTextFile("/proc/sys/vm/drop_caches", "3");
  const started = performance.now();
  const bytes = await read();
  return [(performance.now() - started) / 1000, bytes];
}

async function readSequentially(): Promise<number> {
  const buffer = new Uint8Array(2 ** 22);
  let bytes = 0;
  const shards = (await Array.fromAsync(Deno.readDir(folder)))
    .map(({ name }) => name).filter((name) => name.startsWith("shard-")).sort();
  for (const name of shards) {
    using file = Deno.openSync(join(folder, name));
    for (let read = file.readSync(buffer); read; read = file.readSync(buffer)) bytes += read;
  }
  return bytes;
}

try {
  const [written, store] = await (async () => {
    const started = performance.now();
    const store = await writeActivations(randomRows(), folder, {
      ...{ model: "none", hook: "none", contextSize: 128, skipPositions: [0], dtype },
    });
    return [(performance.now() - started) / 1000, store] as const;
  })();
  const rate = (bytes: number, seconds: number) => `${(bytes / 1e6 / seconds).toFixed(0)} MB/s`;
  const rowBytes = d * (dtype === "float32" ? 4 : 2);
  console.log(`${rows} rows of ${d} ${dtype}, ${(rows * rowBytes / 1e6).toFixed(0)} MB`);
  console.log(`writing, fsync included           ${rate(rows * rowBytes, written)}`);

  const readShuffled = async (seed: number, shareBuffer: boolean) => {
    let bytes = 0;
    const options = { batchSize: n, seed, keepLast: true, shareBuffer };
    for await (const batch of store.batches(options)) bytes += batch.rows * rowBytes;
    return bytes;
  };
  const rates: Record<string, number[]> = { sequential: [], shuffled: [], fresh: [] };
  const note = (name: string, [seconds, bytes]: [number, number]) =>
    rates[name].push(bytes / seconds);
  for (let round = 0; round < number("rounds", 3); round++) {
    note("sequential", await timed(readSequentially));
    note("shuffled", await timed(() => readShuffled(round, true)));
    note("fresh", await timed(() => readShuffled(round, false)));
  }
  const [sequential, shuffled, fresh] = Object.values(rates).map(median);
  const state = args.cold ? "cold" : "from the page cache";
  console.log(`medians of ${rates.sequential.length}, ${state}`);
  console.log(`sequential, into one buffer       ${rate(sequential, 1)}`);
  const ratio = (value: number) => `ratio to sequential ${(value / sequential).toFixed(2)}`;
  console.log(`shuffled, into one buffer         ${rate(shuffled, 1)}  ${ratio(shuffled)}`);
  console.log(`shuffled, a new buffer per batch  ${rate(fresh, 1)}  ${ratio(fresh)}`);

  const steps = number("steps", 6);
  if (steps > 0) {
    using device = await openDevice();
    const dictSize = number("m", 3072);
    const k = number("k", 32);
    let waited = 0;
    let started = performance.now();
    const watched = async function* (): AsyncGenerator<Matrix> {
      const batches = store.batches({ batchSize: n, epochs: Infinity, shareBuffer: true });
      for (let step = 0;; step++) {
        // The first step compiles kernels and waits for the first window.
        if (step === 1) [waited, started] = [0, performance.now()];
        const before = performance.now();
        const next = await batches.next();
        waited += performance.now() - before;
        if (next.done) return;
        yield next.value;
      }
    };
    await trainSae(device, watched(), {
      ...{ architecture: "batchtopk", dictSize, k, steps: steps + 1, recordEvery: 1 },
    });
    const total = performance.now() - started;
    console.log(
      `training, n ${n}, m ${dictSize}, k ${k}, on ${device.name}: ${
        (total / steps).toFixed(1)
      } ms a ` +
        `step, ${(waited / steps).toFixed(2)} ms of them (${
          (100 * waited / total).toFixed(2)
        } %) ` +
        `for the next batch`,
    );
  }
} finally {
  await Deno.remove(folder, { recursive: true });
}
