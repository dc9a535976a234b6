// Small models of ten families with random weights, exported in every way: are the hooks found, with the right values?
import { join } from "@std/path";
import { type Dtype, inspectModel } from "../../lib/language_model/mod.ts";
import { exportersReason, openAt } from "./exported_models.ts";
import type { Peers, Row } from "./peer.ts";
import { streamRows } from "./stream_rows.ts";

export const title = "Families and exporters, small models with random weights, beside PyTorch";

/** Files of other precisions, and why they differ more from float32. */
const DTYPES: [Dtype, string | undefined][] = [
  ["fp32", undefined],
  ["fp16", "weights and activations have 11 bits"],
  ["q8", "weights and activations of products have 8 bits"],
  ["q4", "weights of products have 4 bits"],
];

export async function* check({ folder, python }: Peers): AsyncGenerator<Row> {
  const found = await python("families.py", [folder], "export") as Record<
    string,
    Record<string, string>
  >;
  for (const [family, exporters] of Object.entries(found)) {
    const wanted = join(folder, family);
    const rows: number[][] = JSON.parse(await Deno.readTextFile(join(wanted, "tokens.json")));
    const tokens = Int32Array.from(rows.flat());
    for (const [exporter, error] of Object.entries(exporters)) {
      const label = `${family}, ${exporter}`;
      if (error !== "") {
        yield { check: label, measured: "not exported", note: error };
        continue;
      }
      for (const [dtype, reason] of exporter === "optimum" ? DTYPES : DTYPES.slice(0, 1)) {
        try {
          const { hooks } = await inspectModel(join(wanted, exporter), { dtype });
          await using model = await openAt(join(wanted, exporter), hooks, { dtype });
          yield* streamRows(`${label}, ${dtype}`, model, {
            wanted,
            tokens,
            rows: rows.length,
            reason: reason ?? exportersReason(family, exporter),
          });
        } catch (error) {
          yield {
            check: `${label}, ${dtype}`,
            measured: "refused",
            note: error instanceof Error ? error.message.split("\n")[0] : String(error),
          };
        }
      }
    }
  }
}
