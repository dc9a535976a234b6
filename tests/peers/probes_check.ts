// The logistic regression of sparse probes, and the accuracy of such probes, compared with scikit-learn's.
import { join } from "@std/path";
import { fitLogistic } from "../../lib/interpretation/logistic_regression.ts";
import { meanActivations } from "../../lib/interpretation/mean_activations.ts";
import { type ProbeSet, probeSets } from "../../lib/interpretation/probe_sets.ts";
import { sparseProbes } from "../../lib/interpretation/sparse_probes.ts";
import { openLanguageModel } from "../../lib/language_model/open_language_model.ts";
import type { Matrix, SparseMatrix } from "../../lib/matrix.ts";
import { createRandom } from "../../lib/random.ts";
import { initializeSae, openDevice } from "../../mod.ts";
import type { Peers, Row } from "./peer.ts";
import { relativeNorm } from "./stream_rows.ts";

export const title = "Logistic regressions and sparse probes, beside scikit-learn and SAEBench";

export async function* check(peers: Peers): AsyncGenerator<Row> {
  yield* regressions(peers);
  const { texts, labels } = labelledTexts();
  using device = await openDevice({ device: "cpu" });
  await using model = await openLanguageModel("examples/tiny-gpt2", {
    hook: "blocks.2.hook_resid_pre",
  });
  const sae = initializeSae({
    ...{ architecture: "batchtopk", dModel: 128, dictSize: 1024, k: 16 },
    random: createRandom(1),
  });
  sae.threshold = new Float32Array(1024).fill(0.3);
  const means = await meanActivations(device, model, [sae], texts);
  const sets = probeSets(labels, { testShare: 0.5 });
  for (
    const [name, features] of [["latents", means.latents[0]], ["channels", means.residual]] as const
  ) {
    yield* probeAccuracies(peers, name, features, sets);
    yield* probeAccuracies(peers, `${name}, by SAEBench`, features, sets, "sae_bench_probes.py");
  }
}

/** Sentences of three topics, half of whose words are of any topic, so that accuracies are below 1. */
function labelledTexts(): { texts: string[]; labels: string[] } {
  const words = {
    animals: ["cat", "dog", "horse", "bird", "fish", "sheep"],
    numbers: ["one", "two", "seven", "ten", "twenty", "hundred"],
    places: ["London", "France", "Texas", "Rome", "Boston", "Africa"],
  };
  const { below } = createRandom(3);
  const all = Object.values(words).flat();
  const labels = Array.from({ length: 900 }, (_, i) => Object.keys(words)[i % 3]);
  const texts = labels.map((label) => {
    const own = words[label as keyof typeof words];
    const chosen = Array.from({ length: 6 }, (_, i) => i < 2 ? own[below(6)] : all[below(18)]);
    return `They saw ${chosen.join(" and ")} .`;
  });
  return { texts, labels };
}

/**
 * Accuracies of probes compared with those of a script that selects features and fits them itself: scikit-learn
 * at a small tolerance, or SAEBench's functions, which use scikit-learn's default tolerance.
 */
export async function* probeAccuracies(
  { folder, python }: Pick<Peers, "folder" | "python">,
  name: string,
  features: Matrix | SparseMatrix,
  sets: readonly ProbeSet[],
  script = "probes.py",
): AsyncGenerator<Row> {
  const k = [1, 5, 20, 50];
  const { rows, cols } = features;
  const asked = sets.map(({ train, test, ...own }) => ({
    ...own,
    train: [...train],
    test: [...test],
  }));
  await Deno.writeFile(join(folder, "features.f32"), new Uint8Array(dense(features).buffer));
  await Deno.writeTextFile(
    join(folder, "probes.json"),
    JSON.stringify({ rows, cols, k, sets: asked }),
  );
  const wanted = await python(script, [folder]) as number[][];
  const found = sparseProbes(features, sets, { k });
  for (const [at, count] of k.entries()) {
    const own = found.filter((probe) => probe.k === count);
    const apart = own.map(({ correct, tested }, i) => Math.abs(correct - wanted[i][at]) / tested);
    const mean = own.reduce((sum, { correct, tested }) => sum + correct / tested, 0) / own.length;
    yield {
      check: `probes on ${count} ${name}, ${sets.length} classes`,
      ...{ difference: Math.max(...apart), limit: 0.005 },
      note: `share of the tests, the furthest class; mean accuracy ${mean.toFixed(3)}`,
    };
  }
}

function dense(features: Matrix | SparseMatrix): Float32Array<ArrayBuffer> {
  if ("data" in features) return Float32Array.from(features.data);
  const { rows, cols, rowOffsets, latents, values } = features;
  const data = new Float32Array(rows * cols);
  for (let r = 0; r < rows; r++) {
    for (let e = rowOffsets[r]; e < rowOffsets[r + 1]; e++) data[r * cols + latents[e]] = values[e];
  }
  return data;
}

async function* regressions({ folder, python }: Peers): AsyncGenerator<Row> {
  const problems = [
    { rows: 400, cols: 1, c: 1 },
    { rows: 400, cols: 16, c: 1 },
    { rows: 400, cols: 16, c: 0.001 },
    { rows: 300, cols: 200, c: 100 },
  ];
  const { uniform } = createRandom(5);
  const made = problems.map(({ rows, cols, c }) => {
    // Activations of latents are rare, positive, and of very different sizes.
    const data = Float32Array.from(
      { length: rows * cols },
      (_, i) => uniform() < 0.3 ? uniform() * 10 ** (i % cols % 3 - 1) : 0,
    );
    const y = Float32Array.from(
      { length: rows },
      (_, r) => data[r * cols] + 0.5 * uniform() > 0.3 ? 1 : 0,
    );
    return { x: { data, rows, cols }, y, c };
  });
  for (const [i, { x, y }] of made.entries()) {
    await Deno.writeFile(join(folder, `${i}.x.f32`), new Uint8Array(x.data.buffer));
    await Deno.writeFile(join(folder, `${i}.y.f32`), new Uint8Array(y.buffer));
  }
  await Deno.writeTextFile(join(folder, "problems.json"), JSON.stringify(problems));
  const wanted = await python("sklearn_logistic.py", [folder]) as number[][];
  for (const [i, { x, y, c }] of made.entries()) {
    const { weights, bias } = fitLogistic(x, y, { c });
    yield {
      check: `${x.rows} samples, ${x.cols} features, C ${c}`,
      difference: relativeNorm([...weights, bias], wanted[i]),
      limit: 1e-5,
      note: "relative norm of weights and bias",
    };
  }
}
