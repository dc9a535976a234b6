// TransformerLens's tensors for every hook that tiny-gpt2 has here, under each of the hook's names.
import { join } from "@std/path";
import { inspectModel } from "../../lib/language_model/mod.ts";
import { openLanguageModel } from "../../mod.ts";
import { readFloats, textRows } from "./exported_models.ts";
import { HERE, type Peers, type Row } from "./peer.ts";
import { relativeNorm, rowError } from "./stream_rows.ts";

export const title = "TransformerLens's tensors for every hook of tiny-gpt2";

const LIMIT = 1e-5;
const ROWS = 4;

export async function* check({ folder, python }: Peers): AsyncGenerator<Row> {
  const tiny = join(HERE, "..", "..", "examples", "tiny-gpt2");
  const described = await inspectModel(tiny);
  const names = described.hooks.map(({ hook }) => hook);
  const [hook, ...moreHooks] = names;
  await using model = await openLanguageModel(tiny, { hook, moreHooks });
  const tokens = await textRows(model, ROWS, 64);
  const inRows = Array.from({ length: ROWS }, (_, i) => [...tokens.subarray(64 * i, 64 * i + 64)]);
  await Deno.writeTextFile(join(folder, "tokens.json"), JSON.stringify(inRows));
  const shapes = await python("tl_hooks.py", [tiny, folder]) as Record<string, number[]>;
  const found = await model.activationsOf(tokens, ROWS);
  const kinds = new Map<string, { differences: number[]; missing: string[] }>();
  for (const [i, { hook, alias }] of described.hooks.entries()) {
    const { data, cols } = found[i];
    for (const name of [hook, alias].filter((name) => name !== undefined)) {
      const kind = name.replace(/^blocks\.\d+\./, "");
      const { differences, missing } = kinds.get(kind) ?? { differences: [], missing: [] };
      kinds.set(kind, { differences, missing });
      if (!(name in shapes)) missing.push(name);
      else differences.push(rowError(data, await readFloats(join(folder, `${name}.f32`)), cols));
    }
  }
  for (const [kind, { differences, missing }] of kinds) {
    yield missing.length > 0
      ? { check: kind, note: `TransformerLens has no ${missing.join(", ")}` }
      : {
        check: kind,
        difference: Math.max(...differences),
        limit: LIMIT,
        note: `${differences.length} layers, relative, the worst position`,
      };
  }
  const wanted = await readFloats(join(folder, "loss.f32"));
  yield {
    check: "loss",
    difference: relativeNorm(await model.crossEntropy(tokens, ROWS), wanted),
    limit: LIMIT,
    note: "relative, all tokens",
  };
}
