// SAEBench's core evaluation of SAEs that saewing saved, compared with saewing's: the same model, tokens and SAEs.
import { join } from "@std/path";
import {
  evaluateCrossEntropy,
  evaluateSae,
  initializeSae,
  openDevice,
  openLanguageModel,
  type Sae,
  saveSae,
} from "../../mod.ts";
import { createRandom } from "../../lib/random.ts";
import { ARCHITECTURES } from "../../lib/sae/architectures/registry.ts";
import { textRows } from "./exported_models.ts";
import { HERE, type Peers, type Row } from "./peer.ts";

export const title = "SAEBench's core evaluation, its functions on the same tokens";

const LIMIT = 1e-5;
const [ROWS, LENGTH] = [6, 64];
const HOOK = "blocks.2.hook_resid_pre";

export async function* check({ folder, python }: Peers): AsyncGenerator<Row> {
  const tiny = join(HERE, "..", "..", "examples", "tiny-gpt2");
  using device = await openDevice({ device: "cpu" });
  await using model = await openLanguageModel(tiny, { hook: HOOK });
  const tokens = await textRows(model, ROWS, LENGTH);
  // SAEBench means the divergence over all positions, saewing over those that predict a token: it is told to
  // ignore the last, where a token stands that is nowhere else.
  const ignored = model.vocabSize - 2;
  for (let row = 0; row < ROWS; row++) tokens[row * LENGTH + LENGTH - 1] = ignored;
  const rows = Array.from(
    { length: ROWS },
    (_, row) => tokens.subarray(row * LENGTH, (row + 1) * LENGTH),
  );
  const saes = ARCHITECTURES.map((architecture) => madeSae(architecture, model.dModel));
  for (const sae of saes) await saveSae(sae, join(folder, sae.architecture));
  await Deno.writeTextFile(
    join(folder, "tokens.json"),
    JSON.stringify({ tokens: rows.map((row) => [...row]), ignored }),
  );
  const found = await python("sae_bench_core.py", [tiny, folder]) as Record<
    string,
    Record<string, number>
  >;
  const all = await model.activations(tokens, ROWS);
  const kept = Array.from({ length: all.rows }, (_, at) => at).filter((at) =>
    tokens[at] !== ignored
  );
  const data = new Float32Array(kept.length * all.cols);
  kept.forEach((at, i) => {
    data.set(all.data.subarray(at * all.cols, (at + 1) * all.cols), i * all.cols);
  });
  const x = { data, rows: kept.length, cols: all.cols };
  for (const sae of saes) {
    const loss = await evaluateCrossEntropy(device, model, sae, rows, {
      ...{ skipPositions: [], normLimit: "none" },
    });
    const own = await evaluateSae(device, sae, [x], { normLimit: "none" });
    const theirs = found[sae.architecture];
    const pairs: [name: string, own: number][] = [
      ["kl_div_with_sae", loss.klDivWithSae],
      ["kl_div_with_ablation", loss.klDivWithAblation],
      ["kl_div_score", loss.klDivScore],
      ["ce_loss_without_sae", loss.clean],
      ["ce_loss_with_sae", loss.spliced],
      ["ce_loss_with_ablation", loss.zeroAblated],
      ["ce_loss_score", loss.recoveredFromZero],
      ["l2_ratio", own.l2Ratio],
      ["relative_reconstruction_bias", own.relativeReconstructionBias],
      ["cossim", own.cossim],
      ["l0", own.l0],
      // There each token's squared error is divided by the number of tokens, and then averaged over them.
      ["mse", own.mse / x.rows],
    ];
    const apart = pairs.map(([name, own]) => ({
      name,
      difference: Math.abs(own - theirs[name]) / Math.abs(theirs[name]),
    }));
    const worst = apart.reduce((a, b) => !(b.difference <= a.difference) ? b : a);
    yield {
      check: `${sae.architecture}: ${pairs.length} measures`,
      difference: worst.difference,
      limit: LIMIT,
      note: `the furthest, ${worst.name}; L0 ${own.l0.toFixed(1)}`,
    };
  }
}

function madeSae(architecture: Sae["architecture"], dModel: number): Sae {
  const sae = initializeSae({
    ...{ architecture, dModel, dictSize: 512, k: 16 },
    random: createRandom(1),
  });
  if (architecture !== "relu" && architecture !== "topk") {
    sae.threshold = new Float32Array(sae.dictSize).fill(2);
  }
  sae.bDec.forEach((_, i) => sae.bDec[i] = Math.sin(i));
  return { ...sae, metadata: { model: "gpt2", hook: HOOK, contextSize: LENGTH } };
}
