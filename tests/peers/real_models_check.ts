// SmolLM2-135M and Gemma 3 270M, exported three ways, compared with PyTorch: each layer, and the loss.
// (speed_check.ts has logits and tokens per second.)
import { inspectModel } from "../../lib/language_model/mod.ts";
import {
  exportedModel,
  type Exporter,
  exportersReason,
  openAt,
  plainModel,
  REAL_MODELS,
  textRows,
} from "./exported_models.ts";
import type { Peers, Row } from "./peer.ts";
import { runPyTorch, streamRows } from "./stream_rows.ts";

export const title = "Real models, exported three ways, beside PyTorch";

const EXPORTERS: Exporter[] = ["optimum", "dynamo", "builder"];

export async function* check(peers: Peers): AsyncGenerator<Row> {
  for (const name of REAL_MODELS) {
    const plain = await plainModel(peers, name);
    for (const exporter of EXPORTERS) {
      const label = `${name}, ${exporter}`;
      try {
        const folder = await exportedModel(peers, name, exporter);
        const { hooks } = await inspectModel(folder);
        await using model = await openAt(folder, hooks);
        const tokens = await textRows(model, 4, 128);
        await runPyTorch(peers, plain, tokens, 4);
        yield* streamRows(label, model, {
          wanted: peers.folder,
          tokens,
          rows: 4,
          reason: exportersReason(name, exporter),
        });
      } catch (error) {
        yield { check: label, note: error instanceof Error ? error.message : String(error) };
      }
    }
  }
}
