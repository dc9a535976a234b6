import { join } from "@std/path";
import process from "node:process";
import { openLanguageModel } from "../../mod.ts";
import { exportersReason } from "./exported_models.ts";
import type { Peers, Row } from "./peer.ts";

export const title = "Real models: logits, losses and speed beside PyTorch";

const models = ["SmolLM2-135M", "gemma-3-270m"];
const exporters = ["optimum", "builder"];
const [rows, length, threads, rounds] = [4, 128, 2, 3];

export async function* check(peers: Peers): AsyncGenerator<Row> {
  for (const name of models) {
    const original = join(peers.models, name);
    const { vocab_size: words, hidden_size: d, num_hidden_layers: layers } = JSON.parse(
      await Deno.readTextFile(join(original, "config.json")),
    );
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
      const hook = `blocks.${Math.floor(layers / 2)}.hook_resid_pre`;
      await using model = await openLanguageModel(join(peers.models, `${name}-${exporter}`), {
        hook,
        threads,
      });
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
      for (
        const [what, own, other] of [
          ["half the layers", prefix, best(peer, "prefix")],
          ["all layers and the loss", whole, best(peer, "loss")],
        ] as const
      ) {
        for (const clock of ["wall", "processor"] as const) {
          const times = (other[clock] / own[clock]).toFixed(2);
          yield {
            check: `${name}, ${exporter}: ${what}`,
            measured: `${rate(own[clock])} and ${rate(other[clock])} tokens/s, ${times} ×`,
            note: `here and in PyTorch, by ${clock} time`,
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
  /** By the clock: what a user waits. */
  wall: number;
  /** Of all threads: other programs on the machine disturb it less. */
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
