import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { folderReader, openDashboards } from "../../lib/explorer/mod.ts";
import { readAnswers } from "../../lib/formats/answer_file.ts";
import { createRandom, initializeSae, saveSae } from "../../mod.ts";
import { answerOf, type ChatServer, serveChat } from "./chat_server.ts";
import { HOOK, MODEL, withFolder, writeCorpus } from "./cli_helper.ts";
import { runMain, testIo } from "./main_helper.ts";
import { main } from "../../cli.ts";

const KEY = "sk-secret-17";

/** An SAE and a meta-SAE of it in a folder, and the text: arguments of `explain`. */
async function subject(folder: string): Promise<string[]> {
  const sae = initializeSae({
    ...{ architecture: "batchtopk", dModel: 128, dictSize: 24, k: 4 },
    random: createRandom(1),
  });
  sae.threshold = new Float32Array(24).fill(0.6);
  sae.metadata = { model: MODEL, hook: HOOK, contextSize: 32 };
  await saveSae(sae, join(folder, "sae"));
  const meta = initializeSae({
    ...{ architecture: "batchtopk", dModel: 128, dictSize: 6, k: 2 },
    random: createRandom(2),
  });
  meta.threshold = new Float32Array(6).fill(0.02);
  await saveSae(meta, join(folder, "meta"));
  const text = await writeCorpus(folder);
  return ["explain", join(folder, "sae"), "--text", text, "--examples", "30", "--device", "cpu"];
}

const asks = ({ endpoint }: ChatServer, out: string, ...more: string[]) => [
  ...["--endpoint", endpoint, "--explainer", "m", "--out", out, "--tests", "3", "--json"],
  ...more,
];
const lines = async (path: string) =>
  (await Deno.readTextFile(path)).trim().split("\n").map((line) => JSON.parse(line));
const last = (text: string) => JSON.parse(text.trim().split("\n").at(-1)!);

Deno.test("without an endpoint latents and meta-latents get labels from tokens, scored by their tokens", async () => {
  await withFolder(async (folder) => {
    const args = await subject(folder);
    const out = join(folder, "out");
    const ran = await runMain([
      ...[...args, "--out", out, "--meta", join(folder, "meta"), "--multiple-choice", "50"],
    ]);
    assertEquals(ran.code, 0, ran.stderr);
    const found = await lines(join(out, "explanations.jsonl"));
    assert(found.length >= 8, `${found.length} latents`);
    for (const { text, source, detection } of found) {
      assertEquals(source, "tokens");
      if (text === "") continue;
      assertMatch(text, /^(after )?“/);
      assert(detection.truePositive + detection.falseNegative > 0);
    }
    const { labels, multipleChoice } = JSON.parse(
      await Deno.readTextFile(join(out, "summary.json")),
    );
    assertEquals([labels.source, labels.latents], ["tokens", found.length]);
    assert(labels.detection > 0 && labels.detection < 1, `detection ${labels.detection}`);
    assertEquals(multipleChoice.map(({ control }: { control: string }) => control), [
      ...["none", "permuted", "without own"],
    ]);
    for (const { asked, right, low, high, chance } of multipleChoice) {
      assertEquals(chance, 0.2);
      assert(asked === 0 || low <= right / asked && right / asked <= high);
    }
    const meta = await lines(join(out, "meta_explanations.jsonl"));
    assert(
      meta.length > 0 && meta.every(({ latents }) => latents.length > 0 && latents.length <= 5),
    );
    assertStringIncludes(ran.stdout, "multiple choice (chance 20 %):");
    // The dashboards take these words; meta-latents without any get a label from tokens.
    const file = join(out, "meta_explanations.jsonl");
    assert(meta.length > 1);
    const { metaLatent } = meta[0];
    await Deno.writeTextFile(
      file,
      JSON.stringify({ metaLatent, text: "sea\u0000life", source: "me" }),
    );
    const shown = join(folder, "dashboards");
    const dashboards = await runMain([
      ...["dashboard", ...args.slice(1), "--meta", join(folder, "meta"), "--meta-labels", file],
      ...["--out", shown, "--no-logits"],
    ]);
    assertEquals(dashboards.code, 0, dashboards.stderr);
    const { search } = await openDashboards(folderReader(shown));
    const { metaLabels } = await search();
    assertEquals(metaLabels![metaLatent], { text: "sealife", source: "me" });
    const other = meta.find(({ text }, i) => i > 0 && text !== "");
    assertEquals(metaLabels![other.metaLatent]!.source, "tokens");
    const alone = await runMain(["dashboard", ...args.slice(1), "--meta-labels", file]);
    assertEquals(alone.code, 2);
    assertMatch(alone.stderr, /--meta-labels needs --meta/);
  });
});

Deno.test("explain says the cost first, asks a bad endpoint until all is answered, and writes no key", async () => {
  await withFolder(async (folder) => {
    const args = await subject(folder);
    const out = join(folder, "out");
    const bad = [
      () => new Response("slow down", { status: 429, headers: { "retry-after": "0" } }),
      () => new Response(`no ${KEY}`, { status: 500 }),
      () => new Response("<!doctype html><script>alert(1)</script>"),
      () => answerOf(""),
      () =>
        new Response('{"choices": [{"message": {"content": "cut', {
          headers: { "content-length": "9999" },
        }),
    ];
    await using server = serveChat((_, index) => index % 3 === 1 ? bad[index % 5]() : undefined);
    const whole = [...args, ...asks(server, out, "--meta", join(folder, "meta"))];
    whole.push(
      "--multiple-choice",
      "20",
      "--score-labels",
      "--most",
      "6",
      "--price-in",
      "2",
      "--price-out",
      "8",
    );
    const env = { SAEWING_API_KEY: KEY };
    const dry = await runMain([...whole, "--dry-run"], env);
    assertEquals(dry.code, 0, dry.stderr);
    assertEquals(server.asked.length, 0);
    const plan = last(dry.stdout);
    assertEquals(plan.known, 0);
    assertEquals(plan.cost, (2 * plan.promptTokens + 8 * plan.answerTokens) / 1e6);
    assertEquals(await Deno.stat(out).then(() => true, () => false), false);

    const { io, written } = testIo(env);
    assertEquals(
      await main([...whole, "--retries", "9", "--concurrency", "16"], io),
      0,
      written.stderr,
    );
    // Made-up explanations stand for questions about real ones: as many, but for equal ones.
    assert(Math.abs(server.answered.length - plan.questions) <= 3, `${server.answered.length}`);
    assert(server.asked.every(({ key, model }) => key === `Bearer ${KEY}` && model === "m"));
    assert(server.asked.length > 1.3 * server.answered.length);
    const result = last(written.stdout);
    assertEquals(result.calls, server.asked.length);
    const found = await lines(join(out, "explanations.jsonl"));
    const { explanations, labelsByModel, multipleChoice } = result.summary;
    assertEquals([explanations.source, labelsByModel.source], ["m", "tokens"]);
    assertEquals(multipleChoice.length, 6);
    assert(found.every(({ text }) => text === "" || text.startsWith("words like ")));
    for await (const { name, isFile } of Deno.readDir(out)) {
      if (isFile) assert(!(await Deno.readTextFile(join(out, name))).includes(KEY), name);
    }
    assert(!(written.stdout + written.stderr).includes(KEY));

    // All is known now: a run that is done again asks nothing, and its files are the same.
    const files = async () =>
      await Promise.all(["explanations.csv", "meta_explanations.csv", "multiple_choice.csv"].map(
        (name) => Deno.readTextFile(join(out, name)),
      ));
    const before = await files();
    const count = server.asked.length;
    const refused = await runMain(whole, env);
    assertEquals(refused.code, 2);
    assertStringIncludes(refused.stderr, "--overwrite replaces it");
    const again = await runMain([...whole, "--overwrite"], env);
    assertEquals(again.code, 0, again.stderr);
    assertEquals(server.asked.length, count);
    assertEquals(await files(), before);
  });
});

Deno.test("a run that was interrupted goes on without asking again what was answered", async () => {
  await withFolder(async (folder) => {
    const args = await subject(folder);
    const out = join(folder, "out");
    let stop = () => {};
    await using server = serveChat((_, index) => {
      if (index === 25) stop();
      return undefined;
    });
    const whole = [...args, ...asks(server, out, "--concurrency", "2")];
    const { io, written, interrupt } = testIo();
    stop = () => interrupt(130);
    assertEquals(await main(whole, io), 130, written.stderr);
    const kept = readAnswers(join(out, "answers.jsonl")).answers.size;
    assert(kept >= 20 && kept <= 27, `${kept} answers`);
    // Those that were on their way when it ended are not known.
    const lost = server.answered.length - kept;
    assert(lost <= 2, `${lost} lost`);
    assertStringIncludes(JSON.stringify(last(written.stdout)), "interrupted");
    const first = new Set(server.answered.slice(0, kept - 2));
    const before = server.asked.length;
    const other = await runMain(["train", "--out", out]);
    assertEquals(other.code, 2);

    const resumed = await runMain(whole);
    assertEquals(resumed.code, 0, resumed.stderr);
    for (const prompt of server.answered.slice(before)) {
      assert(!first.has(prompt), `asked again: ${prompt}`);
    }
    const all = readAnswers(join(out, "answers.jsonl")).answers.size;
    assertEquals(server.answered.length, all + lost);
  });
});

Deno.test("an endpoint that refuses ends the run with what was answered; a refused question only its latent", async () => {
  await withFolder(async (folder) => {
    const args = await subject(folder);
    {
      await using server = serveChat((_, index) =>
        index >= 5 ? new Response("no money", { status: 402 }) : undefined
      );
      const out = join(folder, "poor");
      const ran = await runMain([...args, ...asks(server, out)]);
      assertEquals(ran.code, 1);
      assertStringIncludes(ran.stderr, "status 402: no money");
      assertEquals(readAnswers(join(out, "answers.jsonl")).answers.size, 5);
    }
    {
      await using server = serveChat(() => new Response("no such model", { status: 400 }));
      const ran = await runMain([...args, ...asks(server, join(folder, "wrong"))]);
      assertEquals(ran.code, 1);
      assertStringIncludes(ran.stderr, "status 400: no such model");
      assert(server.asked.length < 24, `${server.asked.length} questions`);
    }
    await using server = serveChat((_, index) =>
      index === 6 ? new Response("filtered", { status: 400 }) : undefined
    );
    const out = join(folder, "filtered");
    const ran = await runMain([...args, ...asks(server, out, "--no-scores", "--concurrency", "1")]);
    assertEquals(ran.code, 0, ran.stderr);
    const found = await lines(join(out, "explanations.jsonl"));
    const failed = found.filter(({ problem }) => problem !== undefined);
    assertEquals(failed.map(({ text, problem }) => [text, /filtered/.test(problem)]), [["", true]]);
    assertStringIncludes(ran.stdout, "1 latents have no explanation");
  });
});

Deno.test("what a hostile model answers is text: no markup, path, formula, line or terminal code", async () => {
  await withFolder(async (folder) => {
    const args = await subject(folder);
    const answers = [
      ...["<script>alert(1)</script>", "../../../etc/passwd", '=HYPERLINK("http://x")', "\x1b[2J"],
      ...["a\u0000b\u202e", '","source":"x"}\n{"latent":0', "x".repeat(9000), "[1, 0, [[", "{}"],
    ];
    await using server = serveChat((_, index) => answerOf(answers[index % answers.length]));
    const out = join(folder, "out");
    const ran = await runMain([...args, ...asks(server, out)]);
    assertEquals(ran.code, 0, ran.stderr);
    const found = await lines(join(out, "explanations.jsonl"));
    for (const { text } of found) {
      // deno-lint-ignore no-control-regex
      assert(text.length <= 200 && !/[\u0000-\u001f\u202e]/.test(text), text);
    }
    const table = await Deno.readTextFile(join(out, "explanations.csv"));
    assert(!/(^|,)"?=/m.test(table), table);
    const names = (await Array.fromAsync(Deno.readDir(out), ({ name }) => name)).sort();
    assertEquals(names.filter((name) => name !== ".lock"), [
      ...["answers.jsonl", "explanations.csv", "explanations.jsonl", "labels.jsonl"],
      ...["saewing.json", "summary.json"],
    ]);
    // The dashboard takes the labels; what it stores and shows stays text.
    const shown = join(folder, "dashboards");
    const dashboards = await runMain([
      ...["dashboard", ...args.slice(1), "--labels", join(out, "explanations.jsonl")],
      ...["--out", shown, "--no-logits", "--pages", "--latents"],
      ...[found.filter(({ text }) => text !== "").map(({ latent }) => latent).join(",")],
    ]);
    assertEquals(dashboards.code, 0, dashboards.stderr);
    for await (const { name } of Deno.readDir(join(shown, "pages"))) {
      const page = await Deno.readTextFile(join(shown, "pages", name));
      assert(!page.includes("<script>alert"), name);
    }
    const searched = await runMain(["latents", shown, "--find-label", "script"]);
    assertEquals(searched.code, 0, searched.stderr);
    assertStringIncludes(searched.stdout, "<script>alert(1)</script> (m)");
  });
});

Deno.test("explain says what does not fit before any work", async () => {
  await withFolder(async (folder) => {
    const args = await subject(folder);
    const endpoint = ["--endpoint", "http://127.0.0.1:1/v1"];
    for (
      const [more, message] of [
        [endpoint, "--explainer is missing: the name of the model at the endpoint"],
        [["--explainer", "m"], "--explainer goes with --endpoint"],
        [["--dry-run"], "--dry-run goes with --endpoint"],
        [["--multiple-choice", "9"], "--multiple-choice goes with --meta"],
        [["--most", "0"], "--most is 0, expected a whole number from 1 on"],
        [
          [...endpoint, "--explainer", "m", "--price-in=-1"],
          "--price-in is -1, expected a number from 0 on",
        ],
      ] as const
    ) {
      const { code, stderr } = await runMain([...args, ...more].map((each) => each));
      assertEquals(code, 2, stderr);
      assertStringIncludes(stderr, message);
    }
    for (const address of ["ftp://x/v1", "http://me:secret@x/v1", "http://x/v1?key=secret"]) {
      const ran = await runMain([
        ...[...args, "--endpoint", address, "--explainer", "m", "--out", join(folder, "no")],
      ]);
      assertEquals(ran.code, 2, ran.stderr);
      assertStringIncludes(ran.stderr, "expected an http or https address");
      assert(!ran.stderr.includes("secret"));
    }
  });
});
