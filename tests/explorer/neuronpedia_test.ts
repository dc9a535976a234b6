import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { checkNeuronpediaSource, neuronpediaFiles } from "../../lib/explorer/neuronpedia.ts";
import { createRandom } from "../../lib/random.ts";
import { HOSTILE, madeDashboards, madeLogits } from "./made_dashboards.ts";

const [M, D] = [7, 5];
const random = createRandom(5);
const SAE = {
  ...{ dictSize: M, dModel: D },
  wDec: Float32Array.from({ length: M * D }, () => random.uniform() - 0.5),
};
const SOURCE = {
  ...{ model: "Tiny-GPT2", set: "res-7", hook: "blocks.2.hook_resid_pre", dataset: "a.txt" },
};

/**
 * The columns of Neuronpedia's tables that its importer fills, as its Prisma schema has them. `!`: not null, and
 * without a default that PostgreSQL knows, so that each line needs it; `+`: not null with a default, so that a
 * line may not have null there; `?`: may be null.
 */
const COLUMNS: Record<string, Record<string, string>> = {
  "release.jsonl": {
    ...{ name: "string!", visibility: "string+", description: "string!", urls: "string[]" },
    ...{ descriptionShort: "string?", creatorName: "string!", creatorNameShort: "string?" },
    ...{ creatorId: "string!" },
  },
  "model.jsonl": {
    ...{ id: "string!", displayNameShort: "string+", displayName: "string+", owner: "string!" },
    ...{ creatorId: "string!", visibility: "string+", dimension: "int?", layers: "int!" },
    ...{ neuronsPerLayer: "int!", instruct: "boolean+", inferenceEnabled: "boolean+" },
  },
  "sourceset.jsonl": {
    ...{ modelId: "string!", name: "string!", description: "string!", type: "string+" },
    ...{ creatorName: "string!", urls: "string[]", creatorId: "string!", releaseName: "string?" },
    ...{ hasDashboards: "boolean+", allowInferenceSearch: "boolean+", visibility: "string+" },
  },
  "source.jsonl": {
    ...{ id: "string!", modelId: "string!", setName: "string!", creatorId: "string!" },
    ...{ hasDashboards: "boolean+", inferenceEnabled: "boolean+", visibility: "string+" },
    ...{ num_prompts: "int?", num_tokens_in_prompt: "int?", dataset: "string?" },
  },
  features: {
    ...{ modelId: "string!", layer: "string!", index: "string!", sourceSetName: "string?" },
    ...{ creatorId: "string?", maxActApprox: "float?", hasVector: "boolean+", vector: "float[]" },
    ...{ vectorLabel: "string?", vectorDefaultSteerStrength: "float?", hookName: "string?" },
    ...{ topkCosSimIndices: "int[]", topkCosSimValues: "float[]" },
    ...{ neuron_alignment_indices: "int[]", neuron_alignment_values: "float[]" },
    ...{ neuron_alignment_l1: "float[]", correlated_neurons_indices: "int[]" },
    ...{ correlated_neurons_pearson: "float[]", correlated_neurons_l1: "float[]" },
    ...{ correlated_features_indices: "int[]", correlated_features_pearson: "float[]" },
    ...{ correlated_features_l1: "float[]", neg_str: "string[]", neg_values: "float[]" },
    ...{ pos_str: "string[]", pos_values: "float[]", frac_nonzero: "float+" },
    ...{ freq_hist_data_bar_heights: "float[]", freq_hist_data_bar_values: "float[]" },
    ...{ logits_hist_data_bar_heights: "float[]", logits_hist_data_bar_values: "float[]" },
    ...{ decoder_weights_dist: "float[]" },
  },
  activations: {
    ...{ id: "string!", tokens: "string[]", dataIndex: "string?", index: "string!" },
    ...{ layer: "string!", modelId: "string!", dataSource: "string?", maxValue: "float!" },
    ...{ maxValueTokenIndex: "int!", minValue: "float!", values: "float[]", dfaValues: "float[]" },
    ...{ dfaTargetIndex: "int?", dfaMaxValue: "float?", creatorId: "string!" },
    ...{ lossValues: "float[]", logitContributions: "string?", binMin: "float?" },
    ...{ binMax: "float?", binContains: "float?", qualifyingTokenIndex: "int?" },
  },
};

const isOf: Record<string, (value: unknown) => boolean> = {
  string: (value) => typeof value === "string" && value.isWellFormed() && !value.includes("\0"),
  boolean: (value) => typeof value === "boolean",
  float: (value) => typeof value === "number" && Number.isFinite(value),
  int: (value) => Number.isInteger(value) && Math.abs(value as number) < 2 ** 31,
};

/** What is wrong with a line of a file, in a word or two. */
function faults(line: Record<string, unknown>, columns: Record<string, string>): string[] {
  const found = Object.keys(line).filter((name) => !columns[name]).map((name) =>
    `${name}: unknown`
  );
  for (const [name, type] of Object.entries(columns)) {
    const value = line[name];
    const [, base, kind] = type.match(/^(\w+)(\[\]|[!+?])$/)!;
    const list = kind === "[]";
    if (value === undefined && kind === "!") found.push(`${name}: missing`);
    if (value === null && kind !== "?") found.push(`${name}: null`);
    if (value === undefined || value === null) continue;
    const all = list ? value as unknown[] : [value];
    if (!Array.isArray(all) || !all.every(isOf[base])) found.push(`${name}: no ${type}`);
  }
  return found;
}

type Line = Record<string, unknown>;

/** The lines as the importer reads them: `\u0000` is replaced before they are parsed. */
async function importedLines(name: string, bytes: Uint8Array<ArrayBuffer>): Promise<Line[]> {
  const stream = new Blob([bytes]).stream();
  const text = await new Response(
    name.endsWith(".gz") ? stream.pipeThrough(new DecompressionStream("gzip")) : stream,
  ).text();
  return text.replaceAll("\\u0000", " ").trim().split("\n").map((line) => JSON.parse(line));
}

async function exported(
  options: Parameters<typeof neuronpediaFiles>[3] = { logits: madeLogits, batch: 3 },
): Promise<Map<string, Line[]>> {
  const files = new Map<string, Line[]>();
  for await (const { name, bytes } of neuronpediaFiles(madeDashboards(M), SAE, SOURCE, options)) {
    assert(!files.has(name), name);
    files.set(name, await importedLines(name, bytes));
  }
  return files;
}

const ROOT = "tiny-gpt2/2-res-7";

Deno.test("every line is one that Neuronpedia's importer takes, and all of a file have the same keys", async () => {
  for (const options of [undefined, { batch: 3 }]) {
    const files = await exported(options);
    const names = [...files.keys()].sort();
    assertEquals(
      names.filter((name) => !name.includes("batch")),
      ["model", "release", "source", "sourceset"].map((name) => `${ROOT}/${name}.jsonl`),
    );
    assertEquals(names.filter((name) => name.includes("batch")).length, 6);
    for (const [name, lines] of files) {
      const kind = name.split("/").find((part) => part in COLUMNS)!;
      for (const line of lines) {
        assertEquals(faults(line, COLUMNS[kind]), [], name);
        assertEquals(Object.keys(line), Object.keys(lines[0]), name);
      }
    }
  }
});

Deno.test("the check of lines finds what the importer would stumble over", () => {
  const columns = { id: "string!", frac: "float+", tokens: "string[]", note: "string?" };
  const good = { id: "a", frac: 0, tokens: ["x"], note: null };
  assertEquals(faults(good, columns), []);
  assertEquals(faults({ ...good, frac: null, other: 1 }, columns), [
    "other: unknown",
    "frac: null",
  ]);
  assertEquals(faults({ frac: 1, tokens: ["\0"] }, columns), [
    "id: missing",
    "tokens: no string[]",
  ]);
});

Deno.test("features and contexts say what the dashboards say", async () => {
  const files = await exported();
  const features = [0, 1, 2].flatMap((n) => files.get(`${ROOT}/features/batch-${n}.jsonl.gz`)!);
  assertEquals(features.map(({ index }) => index), Array.from({ length: M }, (_, i) => `${i}`));
  const own = features[4];
  assertEquals([own.modelId, own.layer, own.sourceSetName], ["tiny-gpt2", "2-res-7", "res-7"]);
  assertEquals(own.frac_nonzero, 0.012346);
  assertEquals(own.freq_hist_data_bar_heights, [1000, 0, 234]);
  assertEquals(own.freq_hist_data_bar_values, [0.0625, 0.1875, 0.3125]);
  assertEquals(own.logits_hist_data_bar_values, [-0.75, -0.25, 0.25, 0.75]);
  assertEquals(own.topkCosSimIndices, [0]);
  const row = SAE.wDec.subarray(4 * D, 5 * D);
  (own.vector as number[]).forEach((value, i) => assert(Math.abs(value - row[i]) <= 1e-5));
  const [largest] = own.neuron_alignment_indices as number[];
  assertEquals(Math.abs(row[largest]), Math.max(...row.map(Math.abs)));
  const dot = (a: Float32Array, b: Float32Array) => a.reduce((sum, v, i) => sum + v * b[i], 0);
  const zero = SAE.wDec.subarray(0, D);
  const cosine = dot(row, zero) / Math.sqrt(dot(row, row) * dot(zero, zero));
  assert(Math.abs((own.correlated_features_l1 as number[])[0] - cosine) < 1e-5);

  const contexts = files.get(`${ROOT}/activations/batch-1.jsonl.gz`)!
    .filter(({ index }) => index === "4");
  assertEquals(contexts.map(({ binMin, binMax, binContains }) => [binMin, binMax, binContains]), [
    ...[[-1, 3.25, -1], [-1, 3.25, -1]],
    [0.5, 4, 0.01234],
  ]);
  for (const { values, maxValue, maxValueTokenIndex, qualifyingTokenIndex } of contexts) {
    assertEquals((values as number[])[maxValueTokenIndex as number], maxValue);
    assertEquals(qualifyingTokenIndex, maxValueTokenIndex);
  }
  // What PostgreSQL cannot store is replaced, all else comes through as it is.
  assertEquals(
    contexts[0].tokens,
    HOSTILE.map((token) => token.replaceAll("\0", "\u2400").toWellFormed()),
  );
  const ids = [...files].filter(([name]) => name.includes("activations"))
    .flatMap(([, lines]) => lines.map(({ id }) => id));
  assertEquals(new Set(ids).size, ids.length);
  // A second export gives the same ids: it is imported once.
  const again = await exported();
  assertEquals([...again], [...files]);
});

Deno.test("a batch without contexts has no file, which the importer could not read", async () => {
  const files = await exported({ batch: 1 });
  assert(files.has(`${ROOT}/features/batch-0.jsonl.gz`));
  assert(!files.has(`${ROOT}/activations/batch-0.jsonl.gz`), "latent 0 is never active");
  assert(files.has(`${ROOT}/activations/batch-1.jsonl.gz`));
});

Deno.test("names that Neuronpedia does not take are refused", async () => {
  for (
    const [change, message] of [
      [{ model: "a/b" }, 'model is "a/b", expected letters, digits, - and _ only'],
      [{ set: "" }, 'set is "", expected letters, digits, - and _ only'],
      [{ hook: "hook_embed" }, "the hook is hook_embed, expected blocks.N"],
    ] as const
  ) {
    assertThrows(() => checkNeuronpediaSource({ ...SOURCE, ...change }), RangeError, message);
  }
  await assertRejects(
    () => Array.fromAsync(neuronpediaFiles(madeDashboards(9), SAE, SOURCE)),
    RangeError,
    "the dashboards have latent 8, expected latents below",
  );
});
