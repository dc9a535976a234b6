import { join } from "@std/path";
import { openAnswerFile, readAnswers } from "../lib/formats/answer_file.ts";
import { nameSaes } from "../lib/formats/name_saes.ts";
import { chooseLatents } from "../lib/interpretation/choose_latents.ts";
import {
  type AnswerCache,
  collectDashboards,
  countTokenRows,
  endpointKey,
  type ExplanationStudy,
  explanationSummary,
  isSentInClear,
  openChat,
  type QuestionPlan,
  rehearse,
  studyByModel,
  studyByTokens,
} from "../lib/interpretation/mod.ts";
import { decompose } from "../lib/meta/mod.ts";
import { explanationFiles } from "../lib/report/mod.ts";
import type { Command, Session } from "./command.ts";
import { contextsProgress } from "./describe.ts";
import { inputPaths, openCommandDevice, openSae, saePath, saeSource } from "./open.ts";
import { UsageError } from "./io.ts";
import {
  type Arguments,
  checkOptions,
  group,
  helpOf,
  type Options,
  readLatents,
  shared,
  TEXT_OF_SAE,
} from "./options.ts";
import { formatTable, type Output } from "./output.ts";
import { openOutputFolder } from "../lib/formats/output_folder.ts";
import { givenNormLimit, openNamingText } from "./source.ts";

const OPTIONS: Options = [
  ["What is read", TEXT_OF_SAE],
  ["What is explained", [
    { name: "latents", value: "N,N,…", help: "these latents (default: all that are active)" },
    {
      name: "most",
      value: "N",
      help: "most latents, spread over their densities (default: all; with an endpoint 100)",
      least: 1,
    },
    {
      name: "meta",
      value: "META",
      help: "a meta-SAE of this SAE: its meta-latents are explained from their latents",
    },
    {
      name: "multiple-choice",
      value: "N",
      help: "with --meta: asks for up to N latents which of five explanations is theirs",
      least: 1,
    },
    shared("seed", "of what is kept for tests (default 0)", { least: 0 }),
  ]],
  ["Who explains", [
    {
      name: "endpoint",
      value: "URL",
      help: "an OpenAI-compatible endpoint, such as http://127.0.0.1:8080/v1 (default: none, " +
        "latents get labels from tokens)",
    },
    { name: "explainer", value: "NAME", help: "name of the model there" },
    {
      name: "shown",
      value: "N",
      help: "contexts of largest activation, and as many samples, in a prompt (default 10)",
      least: 1,
    },
    {
      name: "tests",
      value: "N",
      help: "texts of either kind that test an explanation, twice (default 10)",
      least: 1,
    },
    { name: "no-scores", help: "no tests of explanations" },
    { name: "score-labels", help: "tests labels from tokens by the same questions too" },
    { name: "temperature", value: "X", help: "randomness of answers (default 0)" },
    { name: "answer-tokens", value: "N", help: "most tokens of an answer (default 200)", least: 1 },
    { name: "concurrency", value: "N", help: "questions at a time (default 4)", least: 1 },
    {
      name: "retries",
      value: "N",
      help: "attempts after one that failed (default 5)",
      least: 0,
    },
    { name: "timeout", value: "SECONDS", help: "for an answer (default 60)", least: 1 },
    { name: "price-in", value: "X", help: "price of a million prompt tokens, to say the cost" },
    { name: "price-out", value: "X", help: "the same of answers" },
    { name: "dry-run", help: "says what it would cost, and stops" },
  ]],
  ["What it writes", [
    shared("out", "default runs/explain-<date>: explanations.jsonl and .csv, summary.json, …"),
    shared("overwrite", "replaces a run that the folder holds; answers that were paid for stay"),
    ...group("last"),
  ]],
];

const HELP = helpOf(
  `Says in words what latents stand for. With an endpoint a language model explains them from contexts, and
its explanations are tested on contexts that it has not seen: by detection (texts with the latent told from
texts without) and fuzzing (marked tokens told from others). Without one, latents get the tokens that
distinguish their contexts: a statistic.

Usage
  saewing explain SAE --text FILES [options]
  saewing explain SAE --text FILES --endpoint URL --explainer NAME --out FOLDER [options]

The key is read from SAEWING_API_KEY, or for endpoints of openai.com from OPENAI_API_KEY, and written
nowhere. What it will cost is said before it starts. Answers are kept in answers.jsonl of the folder as they
come: a run that was stopped goes on when the same command is called again, and no question is paid twice.`,
  OPTIONS,
  `Examples
  saewing explain runs/m2048/sae --text held-out.jsonl --out runs/labels
  saewing explain runs/m2048/sae --text held-out.jsonl --most 30 --dry-run \\
    --endpoint http://127.0.0.1:8080/v1 --explainer local`,
);

/** `saewing explain`. */
export const explain: Command = {
  summary: "say in words what latents stand for",
  help: HELP,
  options: OPTIONS,
  async run(given, session) {
    const { io, output, signal } = session;
    checkGiven(given);
    const [path] = given.positional;
    const folder = await saePath(path);
    const sae = await openSae(folder, given, session);
    const metaPath = given.text("meta");
    const meta = metaPath && await openSae(await saePath(metaPath), given, session);
    const options = given.withDefaults(saeSource(given, sae, folder));
    const wanted = readLatents(options, sae.dictSize);
    const isDry = options.flag("dry-run");
    using out = isDry ? undefined : await openOutputFolder(options.text("out"), {
      command: "explain",
      options: { ...options.given, SAE: [folder] },
      overwrite: options.flag("overwrite"),
      inputs: [folder, ...inputPaths(options)],
      keep: /^answers\.jsonl$/,
      goOn: ({ command, finished }) => command === "explain" && finished === undefined,
    });
    await using texts = (await openNamingText(options, sae, session, Infinity))!;
    using device = await openCommandDevice(options, io);
    const { source, model, tokenRows } = texts;
    const started = performance.now();
    const dashboards = await collectDashboards(device, model, sae, tokenRows, {
      latents: wanted,
      top: 2 * Math.max(10, options.number("shown") ?? 10, options.number("tests") ?? 10),
      ...{ skipPositions: source.skipPositions, normLimit: source.normLimit, signal },
      onProgress: contextsProgress(output, tokenRows.length),
    });
    const most = options.number("most") ??
      (options.text("endpoint") && !wanted ? 100 : sae.dictSize);
    const density = new Float64Array(sae.dictSize);
    for (const latent of dashboards.latents) density[latent] = dashboards.density(latent);
    const latents = chooseLatents(density, most).sort();
    if (latents.length === 0) throw new Error("none of the latents is active in the text");
    const subject = {
      ...{ dashboards, latents, seed: options.number("seed") ?? 0 },
      decomposition: meta ? await decompose(device, meta, sae) : undefined,
      background: countTokenRows(model, tokenRows),
      choices: options.number("multiple-choice"),
      tests: options.number("tests") ?? 10,
    };
    output.say(
      `${latents.length} latents of ${nameSaes([folder])[0]}, ${tokenRows.length} rows of ` +
        `${source.contextLength} tokens, on ${device.name}`,
    );
    const byTokens = await studyByTokens(subject);
    using asking = openAsking(options, session, out?.path);
    const byModel = asking && await (async () => {
      const ask = {
        source: options.required("explainer"),
        shown: options.number("shown") ?? 10,
        scores: !options.flag("no-scores"),
        labels: options.flag("score-labels") ? byTokens : undefined,
      };
      const trial = rehearse(asking.chat, { maxTokens: options.number("answer-tokens") });
      await studyByModel(trial, subject, ask);
      const plan = sayPlan(trial.plan(), options, output);
      if (!out) return void output.result({ latents: latents.length, ...plan });
      await out.start(["answers.jsonl"]);
      asking.keep();
      session.leaves({
        text:
          `what was answered is kept in ${out.path}; the same command with --out ${out.path} goes on`,
        data: { folder: out.path },
      });
      return await studyByModel(asking.chat, subject, { ...ask, onProgress: output.progress });
    })();
    if (!out) return;
    const files = explanationFiles({
      ...{ byTokens, byModel, samples: dashboards.samples, calls: asking?.chat.calls() ?? 0 },
      ...{ sae: folder, text: source.dataset, seed: subject.seed },
      model: { id: model.id, hook: model.hook },
    });
    signal.throwIfAborted();
    await out.start([]);
    await out.write(files);
    await out.finish();
    const seconds = (performance.now() - started) / 1000;
    sayFindings(byTokens, byModel, output);
    output.say(`${out.path}, ${seconds.toFixed(1)} s`);
    output.result({
      ...{ folder: out.path, latents: latents.length, seconds },
      ...{ calls: asking?.chat.calls() ?? 0, summary: JSON.parse(files["summary.json"]) },
    });
  },
};

/** Says what questions will cost. */
function sayPlan(
  { questions, known, promptTokens, answerTokens }: QuestionPlan,
  options: Arguments,
  output: Output,
): Record<string, unknown> {
  const [priceIn, priceOut] = [options.number("price-in"), options.number("price-out")];
  const cost = priceIn === undefined && priceOut === undefined
    ? undefined
    : (promptTokens * (priceIn ?? 0) + answerTokens * (priceOut ?? 0)) / 1e6;
  const [asked, answered, prompts, answers] = [questions, known, promptTokens, answerTokens]
    .map((value) => value.toLocaleString("en-US"));
  output.say(
    `${options.text("explainer")} at ${
      new URL(options.required("endpoint")).host
    }: ${asked} questions, ` +
      `${answered} of them answered already; for the others about ${prompts} tokens of prompts, and at ` +
      `most ${answers} of answers` +
      (cost === undefined ? "" : `; that costs ${cost.toPrecision(2)} at most`),
  );
  return { questions, known, promptTokens, answerTokens, cost };
}

/** Says the scores, and the answers to multiple choice. */
function sayFindings(
  byTokens: ExplanationStudy,
  byModel: ExplanationStudy | undefined,
  output: Output,
): void {
  const share = (value: number | null) =>
    value === null ? "not known" : `${(100 * value).toFixed(1)} %`;
  const { explanations, labels, multipleChoice } = explanationSummary(byTokens, byModel);
  for (const means of [explanations, labels]) {
    if (!means) continue;
    output.say(
      `${means.withText} of ${means.latents} latents have words (${means.source}); balanced accuracy of ` +
        `detection ${share(means.detection)}, of fuzzing ${share(means.fuzzing)}`,
    );
  }
  const failed = byModel?.latents.filter(({ problem }) => problem !== undefined) ?? [];
  if (failed.length > 0) {
    output.warn(`${failed.length} latents have no explanation: ${failed[0].problem}`, {});
  }
  for (const reason of new Set([byTokens.noChoices, byModel?.noChoices])) {
    if (reason) output.warn(`no multiple choice: ${reason}`, { warning: "no multiple choice" });
  }
  if (multipleChoice.length === 0) return;
  output.say("multiple choice (chance 20 %):");
  output.say(formatTable(multipleChoice.map((each): [string, string] => [
    `${each.explanations}, control: ${each.control}`,
    `${each.right} of ${each.asked} right (${share(each.low)} to ${share(each.high)})`,
  ])));
}

function checkGiven(given: Arguments): void {
  checkOptions(given, OPTIONS, 1);
  if (!given.positional[0]) throw new UsageError("the SAE is missing");
  givenNormLimit(given);
  const [endpoint, name] = [given.text("endpoint"), given.text("explainer")];
  if (endpoint !== undefined) {
    if (name === undefined) {
      throw new UsageError("--explainer is missing: the name of the model at the endpoint");
    }
    try {
      openChat({ endpoint, model: name });
    } catch (error) {
      throw new UsageError((error as Error).message);
    }
  } else {
    const other = ["explainer", "shown", "price-in", "price-out", "temperature", "concurrency"]
      .find((each) => given.text(each) !== undefined) ??
      ["dry-run", "score-labels", "no-scores"].find((each) => given.flag(each));
    if (other) throw new UsageError(`--${other} goes with --endpoint`);
  }
  if (given.number("multiple-choice") !== undefined && given.text("meta") === undefined) {
    throw new UsageError("--multiple-choice goes with --meta");
  }
  for (const price of ["price-in", "price-out", "temperature"]) {
    const value = given.number(price) ?? 0;
    if (value < 0) throw new UsageError(`--${price} is ${value}, expected a number from 0 on`);
  }
}

interface Asking extends Disposable {
  chat: ReturnType<typeof openChat>;
  /** From here on answers are written down. */
  keep(): void;
}

/** The endpoint, with the answers that the folder holds; undefined where none is given. */
function openAsking(
  options: Arguments,
  { io, output, signal }: Session,
  out: string | undefined,
): Asking | undefined {
  const endpoint = options.text("endpoint");
  if (endpoint === undefined) return undefined;
  const folder = out ?? options.text("out");
  const path = folder && join(folder, "answers.jsonl");
  let cache: AnswerCache & Partial<Disposable> = {
    get: (key) => known.get(key),
    set: () => Promise.resolve(),
  };
  const known = path ? readAnswers(path).answers : new Map<string, string>();
  const ended = new AbortController();
  const seconds = options.number("timeout");
  const key = endpointKey(endpoint, io.env);
  const chat = openChat({
    ...{ endpoint, model: options.required("explainer"), key },
    ...{ concurrency: options.number("concurrency"), retries: options.number("retries") },
    backoff: io.backoff,
    ...{ temperature: options.number("temperature") },
    timeout: seconds && seconds * 1000,
    maxTokens: options.number("answer-tokens"),
    cache: { get: (key) => cache.get(key), set: (key, answer) => cache.set(key, answer) },
    signal: AbortSignal.any([signal, ended.signal]),
  });
  if (key !== undefined && isSentInClear(endpoint)) {
    const host = new URL(endpoint).hostname;
    output.warn(`the key goes to ${host} over http, which others on the way can read`, {});
  }
  return {
    chat,
    keep: () => cache = openAnswerFile(path!),
    [Symbol.dispose]() {
      ended.abort();
      cache[Symbol.dispose]?.();
    },
  };
}
