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
          ["half the layers", prefix, Math.min(...peer.prefix)],
          ["all layers and the loss", whole, Math.min(...peer.loss)],
        ] as const
      ) {
        yield {
          check: `${name}, ${exporter}: ${what}`,
          measured: `${rate(own)} and ${rate(other)} tokens/s, ${(other / own).toFixed(2)} ×`,
          note: "here and in PyTorch, per second of processor time",
        };
      }
      yield {
        check: `${name}, ${exporter}: own and spliced loss with their divergence`,
        measured: `${rate(spliced)} tokens/s`,
        note: "from the hook on, per second of processor time",
      };
    }
  }
}

const rate = (seconds: number) => (rows * length / seconds).toFixed(0);

// Processor time, which other programs on the machine disturb less than the clock.
async function timeOf(run: () => Promise<unknown>): Promise<number> {
  const times: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const before = process.cpuUsage();
    await run();
    const { user, system } = process.cpuUsage(before);
    times.push((user + system) / 1e6);
  }
  return Math.min(...times);
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
