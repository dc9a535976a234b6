import { join } from "@std/path";
import process from "node:process";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { openLanguageModel } from "../../mod.ts";
import {
  exportedModel,
  type Exporter,
  exportersReason,
  plainModel,
  REAL_MODELS,
} from "./exported_models.ts";
import { type DecoderSizes, operationsPerToken } from "./model_work.ts";
import type { Peers, Row } from "./peer.ts";

export const title = "Real models: logits, losses and speed beside PyTorch";

const exporters: Exporter[] = ["optimum", "builder"];
const [rows, length, rounds] = [4, 128, 5];
const threads = navigator.hardwareConcurrency;

export async function* check(peers: Peers): AsyncGenerator<Row> {
  for (const name of REAL_MODELS) {
    const original = await plainModel(peers, name);
    const sizes = JSON.parse(await Deno.readTextFile(join(original, "config.json"))) as
      & DecoderSizes
      & { num_hidden_layers: number };
    const { vocab_size: words, hidden_size: d, num_hidden_layers: layers } = sizes;
    const half = Math.floor(layers / 2);
    const tokens = Int32Array.from(
      { length: rows * length },
      (_, i) => i % length === 0 ? 2 : 100 + (i * 7919) % (Math.min(words, 20000) - 100),
    );
    const directions = Float32Array.from({ length: 8 * d }, (_, i) => Math.sin(i) / Math.sqrt(d));
    await Deno.writeFile(join(peers.folder, "tokens.i32"), new Uint8Array(tokens.buffer));
    await Deno.writeFile(join(peers.folder, "directions.f32"), new Uint8Array(directions.buffer));
    await Deno.writeTextFile(join(peers.folder, "shape.json"), JSON.stringify({ rows, threads }));
    const peer = await peers.python("model_speed.py", [original, peers.folder, `${rounds}`]) as {
      prefix: number[];
      loss: number[];
      wall: { prefix: number[]; loss: number[] };
      product: number;
    };
    const product = await fastestProduct(join(peers.folder, "product.onnx"));
    const ceiling = Math.max(product, peer.product);
    yield {
      check: `${name}: fastest float32 product`,
      measured: `${(product / 1e9).toFixed(0)} and ${(peer.product / 1e9).toFixed(0)} GFLOP/s`,
      note: "ONNX Runtime's and PyTorch's, by wall time; shares below are of the larger",
    };
    const read = async (file: string) =>
      new Float32Array((await Deno.readFile(join(peers.folder, `${file}.f32`))).buffer);
    const [loss, stream, logits, unembedded] = [
      await read("loss"),
      await read("stream"),
      await read("logits"),
      await read("unembedded"),
    ];
    for (const exporter of exporters) {
      const hook = `blocks.${half}.hook_resid_pre`;
      const folder = await exportedModel(peers, name, exporter);
      await using model = await openLanguageModel(folder, { hook, threads });
      const row = (check: string, difference: number): Row => ({
        check: `${name}, ${exporter}: ${check}`,
        difference,
        limit: 1e-5,
        reason: exportersReason(name, exporter),
      });
      const found = await model.activations(tokens, rows);
      yield row(hook, relative(found.data, stream));
      yield row("loss", relative(await model.crossEntropy(tokens, rows), loss));
      const own = await model.logits(tokens.slice(0, length), 1);
      yield row("logits", relative(own.data.subarray((length - 4) * own.cols), logits));
      const effects = await model.unembed({ data: directions, rows: 8, cols: d });
      yield row("rows times the unembedding", relative(effects.data, unembedded));
      const prefix = await timeOf(() => model.activations(tokens, rows));
      const whole = await timeOf(() => model.crossEntropy(tokens, rows));
      const spliced = await timeOf(() => model.spliceLosses(tokens, rows, [found], found));
      const shares = (own: number, other: number, run: { layers: number; losses: boolean }) => {
        const operations = rows * length * operationsPerToken(sizes, { ...run, length });
        const [a, b] = [own, other].map((wall) => Math.round(100 * operations / wall / ceiling));
        return `${a} % and ${b} % of the fastest product`;
      };
      for (
        const [what, own, other, run] of [
          ["half the layers", prefix, best(peer, "prefix"), { layers: half, losses: false }],
          ["all layers and the loss", whole, best(peer, "loss"), { layers, losses: true }],
        ] as const
      ) {
        for (const clock of ["wall", "processor"] as const) {
          const times = (other[clock] / own[clock]).toFixed(2);
          yield {
            check: `${name}, ${exporter}: ${what}`,
            measured: `${rate(own[clock])} and ${rate(other[clock])} tokens/s, ${times} ×`,
            note: `here and in PyTorch, by ${clock} time` +
              (clock === "wall" ? `; ${shares(own.wall, other.wall, run)}` : ""),
          };
        }
      }
      yield {
        check: `${name}, ${exporter}: own and spliced loss with their divergence`,
        measured: `${rate(spliced.processor)} tokens/s`,
        note: "from the hook on, per second of processor time",
      };
    }
  }
}

const rate = (seconds: number) => (rows * length / seconds).toFixed(0);

interface Seconds {
  /** Wall-clock time. */
  wall: number;
  /** CPU time of all threads, which depends less on other programs of the machine. */
  processor: number;
}

async function timeOf(run: () => Promise<unknown>): Promise<Seconds> {
  const [wall, processor]: number[][] = [[], []];
  for (let round = 0; round < rounds; round++) {
    const [before, started] = [process.cpuUsage(), performance.now()];
    await run();
    const { user, system } = process.cpuUsage(before);
    processor.push((user + system) / 1e6);
    wall.push((performance.now() - started) / 1000);
  }
  return { wall: Math.min(...wall), processor: Math.min(...processor) };
}

function best(
  peer: { prefix: number[]; loss: number[]; wall: { prefix: number[]; loss: number[] } },
  what: "prefix" | "loss",
): Seconds {
  return { wall: Math.min(...peer.wall[what]), processor: Math.min(...peer[what]) };
}

/** Operations per second of ONNX Runtime's float32 product [512, 2048] × [2048, 2048]. */
async function fastestProduct(path: string): Promise<number> {
  const session = await InferenceSession.create(path, { intraOpNumThreads: threads });
  const a = new Tensor("float32", new Float32Array(512 * 2048).fill(0.5), [512, 2048]);
  let best = Infinity;
  for (let round = 0; round < 20; round++) {
    const started = performance.now();
    await session.run({ a });
    best = Math.min(best, performance.now() - started);
  }
  await session.release();
  return 2 * 512 * 2048 * 2048 / (best / 1000);
}

/** ‖a − b‖ / ‖b‖. */
function relative(a: Float32Array, b: Float32Array): number {
  if (a.length !== b.length) return Infinity;
  let [difference, size] = [0, 0];
  for (let i = 0; i < a.length; i++) {
    difference += (a[i] - b[i]) ** 2;
    size += b[i] ** 2;
  }
  return Math.sqrt(difference / size);
}
