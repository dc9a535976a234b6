import { assert, assertAlmostEquals, assertEquals, assertMatch } from "@std/assert";
import { assertStringIncludes } from "@std/assert";
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { join } from "@std/path";
import { ModelProtoSchema } from "onnx-buf";
import {
  evaluateSae,
  loadCheckpoint,
  loadSae,
  type NormLimit,
  openActivationStore,
  openLanguageModel,
  orderedActivations,
  readTexts,
  saveCheckpoint,
  saveSae,
  shuffleRows,
  streamActivations,
  trainSae,
} from "../../mod.ts";
import { below, numbersOf } from "../activations/massive_helper.ts";
import { HOOK, MODEL, saewing, withFolder, writeCorpus } from "../cli/cli_helper.ts";
import { openTestDevice } from "../gpu_helper.ts";

const last = (stdout: string) => JSON.parse(stdout.trim().split("\n").at(-1)!);

/** Times that the planted token's embedding is as large as it was. */
const FACTOR = 1000;

/** The embedded model, with the embedding of one token that the corpus has 3 to 9 times made massive. */
async function writePlantedModel(folder: string, corpus: string): Promise<string> {
  const planted = join(folder, "planted");
  await Deno.mkdir(join(planted, "onnx"), { recursive: true });
  for (const name of ["config.json", "tokenizer.json", "tokenizer_config.json"]) {
    await Deno.copyFile(join(MODEL, name), join(planted, name));
  }
  await using model = await openLanguageModel(MODEL, { hook: HOOK });
  const counts = new Map<number, number>();
  for await (const text of readTexts(corpus)) {
    for (const token of model.tokenize(text)) counts.set(token, (counts.get(token) ?? 0) + 1);
  }
  const [token] = counts.entries().find(([, count]) => count > 2 && count < 10)!;
  const proto = fromBinary(
    ModelProtoSchema,
    await Deno.readFile(join(MODEL, "onnx", "model.onnx")),
  );
  const embedding = proto.graph!.initializer.find(({ name }) => name === "transformer.wte.weight")!;
  const numbers = new Float32Array(embedding.rawData.slice().buffer);
  const d = model.dModel;
  for (let at = token * d; at < (token + 1) * d; at++) numbers[at] *= FACTOR;
  embedding.rawData = new Uint8Array(numbers.buffer);
  await Deno.writeFile(join(planted, "onnx", "model.onnx"), toBinary(ModelProtoSchema, proto));
  return planted;
}

async function run(args: string[], code = 0) {
  const ran = await saewing(args);
  assertEquals(ran.code, code, ran.stderr);
  return ran;
}

const readJson = async (folder: string, name: string) =>
  JSON.parse(await Deno.readTextFile(join(folder, name)));

const SHAPE = [
  ...["--dict-size", "64", "--k", "4", "--batch-size", "128", "--steps", "12", "--lr", "1e-3"],
  ...["--decay-steps", "0"],
  ...["--input-normalization", "none"],
];

Deno.test("planted massive activations are left out of every command, counted and recorded", async () => {
  await withFolder(async (folder) => {
    const corpus = await writeCorpus(folder);
    const planted = await writePlantedModel(folder, corpus);
    const source = ["--model", planted, "--hook", HOOK, "--text", corpus];
    const path = (name: string) => join(folder, name);

    // Training on text has the bits of a run on the other rows, which the test finds by itself.
    const training = [
      ...[...source, "--buffer", "512", ...SHAPE],
      ...["--eval-text", corpus, "--eval-rows", "4"],
    ];
    const train = ["train", ...training];
    const trained = await run([...train, "--checkpoint-every", "5", "--out", path("run")]);
    assertMatch(trained.stdout, /\d of \d+ activations excluded as massive \(above 10 times the m/);
    const sae = await loadSae(join(path("run"), "sae"));
    const limit = sae.metadata.normLimit as NormLimit;
    const config = await readJson(path("run"), "config.json");
    assertEquals(config.normLimit, limit);
    const { rows, leftOut } = config.activationsRead;
    assert(leftOut >= 1 && leftOut < 0.01 * rows, `${leftOut} of ${rows}`);
    await using model = await openLanguageModel(planted, { hook: HOOK });
    const ordered = () => orderedActivations(model, readTexts(corpus));
    const most = limit.multiple * limit.medianNorm;
    using gpu = await openTestDevice();
    const order = { batchSize: 128, bufferRows: 512, seed: 0 };
    const { sae: alone } = await trainSae(gpu, shuffleRows(below(most, ordered()), order), {
      ...{ architecture: "batchtopk", dictSize: 64, k: 4, steps: 12, learningRate: 1e-3, seed: 0 },
      ...{ inputNormalization: "none", decaySteps: 0 },
    });
    assertEquals([sae.wDec, sae.threshold], [alone.wDec, alone.threshold]);

    // Both measures, of the others and of all, are said, recorded and shown.
    const measured = await readJson(path("run"), "evaluation.json");
    const kept = { maxTokens: 4 * 127, keepLast: true, bufferRows: 2048 };
    const measure = (normLimit: NormLimit | "none") =>
      evaluateSae(gpu, sae, streamActivations(model, readTexts(corpus), { ...kept, normLimit }), {
        normLimit: "none",
      });
    const [others, all] = [await measure(limit), await measure("none")];
    assertEquals([measured.nmse, measured.l0, measured.samples], [
      ...[others.nmse, others.l0, others.samples],
    ]);
    assertEquals([measured.all.nmse, measured.all.l0, measured.all.samples], [
      ...[all.nmse, all.l0, 4 * 127],
    ]);
    assertEquals(measured.leftOut, all.samples - others.samples);
    assert(Math.abs(all.nmse - others.nmse) > 0.01, `${all.nmse} is near ${others.nmse}`);
    assertEquals([measured.normLimit, measured.crossEntropy.leftOut], [limit, measured.leftOut]);
    assertStringIncludes(trained.stdout, `NMSE of all`);
    assertStringIncludes(await Deno.readTextFile(join(path("run"), "report.html")), "NMSE of all");

    // `eval` takes the SAE's limit, unless it is told another.
    const evaluate = ["eval", join(path("run"), "sae"), "--text", corpus, "--rows", "4", "--json"];
    const evaluated = last((await run(evaluate)).stdout);
    assertEquals(evaluated.normLimit, limit);
    assertEquals(evaluated.evaluation.nmse, measured.nmse);
    assertEquals(evaluated.evaluation.all, measured.all);
    const ofAll = last((await run([...evaluate, "--max-norm-multiple", "none"])).stdout);
    assertEquals([ofAll.normLimit, ofAll.evaluation.nmse], ["none", measured.all.nmse]);
    assertEquals([ofAll.evaluation.all, ofAll.evaluation.leftOut], [undefined, undefined]);

    // A run continues with what it left out, and with nothing else.
    const other = ["train", "--resume", path("run"), "--steps", "14", "--max-norm-multiple", "5"];
    const refused = await run(other, 2);
    assertStringIncludes(
      refused.stderr,
      "--max-norm-multiple is 5, it was 10 in the run that continues",
    );
    await run(["train", "--resume", path("run"), "--steps", "14"]);
    assertEquals((await loadSae(join(path("run"), "sae"))).metadata.normLimit, limit);

    // A store without them, and one with them that is read without.
    const harvest = ["harvest", ...source, "--dtype", "bfloat16", "--out"];
    const harvested = await run([...harvest, path("store")]);
    assertMatch(harvested.stdout, /\d of \d+ activations excluded as massive \(above 10 times/);
    const store = await openActivationStore(path("store"));
    const whole = last(
      (await run([...harvest, path("all"), "--max-norm-multiple", "none", "--json"])).stdout,
    );
    assertEquals([whole.normLimit, whole.leftOut, whole.rows], [
      "none",
      0,
      store.rows + store.leftOut,
    ]);
    assertEquals(store.normLimit, limit);
    const onStore = async (name: string) => {
      const out = path(`on-${name}`);
      const { stdout } = await run(["train", "--activations", path(name), ...SHAPE, "--out", out]);
      assertStringIncludes(
        stdout,
        `${store.leftOut} of ${whole.rows} activations excluded as massive`,
      );
      return (await loadSae(join(out, "sae"))).metadata.normLimit as NormLimit;
    };
    assertEquals(await onStore("store"), limit);
    assertAlmostEquals((await onStore("all")).medianNorm, limit.medianNorm, 0.1 * limit.medianNorm);

    // A sweep, its table and its page; started again it goes on with the same limit.
    const sweep = ["sweep", ...training, "--out", path("sweep")];
    const swept = await run(sweep);
    assertStringIncludes(swept.stdout, "activations excluded as massive");
    const csv = await Deno.readTextFile(join(path("sweep"), "sweep.csv"));
    assertStringIncludes(csv, `,${measured.leftOut},${measured.all.nmse},${measured.all.l0}`);
    assertStringIncludes(
      await Deno.readTextFile(join(path("sweep"), "sweep.html")),
      "With the activations that were excluded as massive, and without",
    );
    assertStringIncludes((await run(sweep)).stdout, "1 of 1 SAEs are already trained");
    const otherSweep = await run([...sweep, "--max-norm-multiple", "none"], 2);
    assertStringIncludes(otherSweep.stderr, "--max-norm-multiple is none, it was 10 in");

    // Stitching: what the first SAE was trained without; that another was not is said.
    const onAll = await loadSae(join(path("on-all"), "sae"));
    const metadata = { ...onAll.metadata, normLimit: "none" };
    await saveSae({ ...onAll, metadata }, path("unlimited"));
    const saes = [join(path("run"), "sae"), path("unlimited")];
    const stitched = last(
      (await run([
        ...["stitch", ...saes, "--text", corpus, "--samples", "1000", "--examples", "0", "--json"],
        ...["--out", path("stitch")],
      ])).stdout,
    );
    assertEquals(stitched.normLimit, limit);
    assert(stitched.read.leftOut > 0);
    const page = await Deno.readTextFile(join(path("stitch"), "report.html"));
    assertMatch(page, /\d of \d+ activations excluded as massive/);
    assertStringIncludes(
      page,
      "unlimited was trained with --max-norm-multiple none; here it is 10",
    );
  });
});

Deno.test("the embedded model has no massive activations: nothing changes, to the bit", async () => {
  await withFolder(async (folder) => {
    const corpus = await writeCorpus(folder);
    await using model = await openLanguageModel(MODEL, { hook: HOOK });
    let leftOut = 0;
    const stream = (normLimit?: "none") =>
      streamActivations(model, readTexts(corpus), {
        ...{ batchSize: 256, bufferRows: 1024, normLimit },
        onActivations: (activations) => leftOut += activations.leftOut,
      });
    assertEquals(await numbersOf(stream()), await numbersOf(stream("none")));
    assertEquals(leftOut, 0);
    const source = ["--model", MODEL, "--hook", HOOK, "--text", corpus];
    const train = async (name: string, ...more: string[]) => {
      const out = join(folder, name);
      const { stdout } = await run([
        ...["train", ...source, "--buffer", "512", ...SHAPE, "--eval-text", corpus],
        ...["--eval-rows", "4", "--out", out],
        ...more,
      ]);
      assert(!stdout.includes("excluded as massive"));
      const { normLimit, ...measured } = await readJson(out, "evaluation.json");
      const { wEnc, bEnc, wDec, bDec, threshold } = await loadSae(join(out, "sae"));
      return { normLimit, measured, weights: { wEnc, bEnc, wDec, bDec, threshold } };
    };
    const usual = await train("usual");
    const none = await train("none", "--max-norm-multiple", "none");
    assertEquals(usual.normLimit.multiple, 10);
    assertEquals(none.normLimit, "none");
    assertEquals(usual.measured, none.measured);
    assertEquals(usual.weights, none.weights);

    // A run from before there was a limit goes on without one.
    const checkpoint = join(folder, "usual", "checkpoint");
    const old = (await loadCheckpoint(checkpoint))!;
    assertEquals(old.sae.metadata.normLimit, usual.normLimit);
    delete old.sae.metadata.normLimit;
    await saveCheckpoint(old, checkpoint);
    await run(["train", "--resume", join(folder, "usual"), "--steps", "13"]);
    assertEquals((await readJson(join(folder, "usual"), "config.json")).normLimit, "none");
    const { metadata } = await loadSae(join(folder, "usual", "sae"));
    assertEquals(metadata.normLimit, undefined);
  });
});

for (const command of ["harvest --out x", "train", "sweep", "stitch a b", "eval sae", "meta sae"]) {
  Deno.test(`${command} with a limit that is none says so`, async () => {
    const args = [...command.split(" "), "--model", "m", "--hook", "h", "--text", "none.txt"];
    const { stderr } = await run([...args, "--max-norm-multiple", "0.5"], 2);
    assertStringIncludes(
      stderr,
      "--max-norm-multiple is 0.5, expected a number from 1 on, or none",
    );
  });
}
