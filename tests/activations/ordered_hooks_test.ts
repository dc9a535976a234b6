import { assert, assertEquals, assertRejects } from "@std/assert";
import { orderedActivations } from "../../lib/activations/ordered_activations.ts";
import { type HooksModel, orderedHooks } from "../../lib/activations/ordered_hooks.ts";
import { openLanguageModel } from "../../lib/language_model/open_language_model.ts";
import { madeModel } from "./made_hooks.ts";
import { maxDifference, tinyGpt2 } from "../language_model/fixtures.ts";

const texts = ["The President of the United States spoke to both houses of Congress. ".repeat(30)];
const [hook, other] = ["blocks.2.hook_resid_pre", "blocks.1.mlp.hook_post"];
const options = { contextLength: 16, rowsPerRun: 3, maxTokens: 200 };

Deno.test("streams of several hooks are those of each alone, from one run of the model", async () => {
  const open = (hook: string, moreHooks: string[] = []) =>
    openLanguageModel(tinyGpt2, { hook, moreHooks, threads: 1 });
  await using model = await open(hook, [other]);
  let calls = 0;
  const counted: HooksModel = {
    ...{ id: model.id, maxContext: model.maxContext, bosToken: model.bosToken },
    ...{ tokenize: model.tokenize, hooks: model.hooks },
    activationsOf: (tokens, rows) => (calls++, model.activationsOf(tokens, rows)),
  };
  const streams = orderedHooks(counted, texts, options);
  const found = await Promise.all(streams.map((stream) => Array.fromAsync(stream)));
  assertEquals(found[0].map(({ rows }) => rows), [45, 45, 45, 45, 20]);
  // Two calls are under way when the last one is needed.
  assert(calls >= 5 && calls <= 7, `${calls} calls`);
  for (const [i, name] of [hook, other].entries()) {
    await using alone = await open(name);
    const expected = await Array.fromAsync(orderedActivations(alone, texts, options));
    assertEquals(found[i].map(({ cols }) => cols), expected.map(({ cols }) => cols));
    for (const [at, { data }] of expected.entries()) {
      assert(maxDifference(found[i][at].data, data) < 1e-5);
    }
  }
});

Deno.test("a stream waits for the others, and goes on alone when they are left", async () => {
  const model = madeModel();
  const small = { contextLength: 4, rowsPerRun: 1, prefetch: 1 };
  const [a, b] = orderedHooks(model, ["x".repeat(300)], small);
  await b.next();
  const first = [await a.next(), await a.next()];
  assertEquals(first.map(({ value }) => value.rows), [3, 3]);
  // b holds one matrix that it has not taken: a third one waits.
  const third = a.next();
  const winner = await Promise.race([
    third.then(() => "a"),
    new Promise((done) => setTimeout(() => done("none"), 30)),
  ]);
  assertEquals(winner, "none");
  assert(model.calls <= 4);
  await b.return(undefined);
  assertEquals((await third).value.rows, 3);
  assertEquals((await Array.fromAsync(a)).length, 97);
});

Deno.test("errors reach every stream, and a stream that nobody reads is one", async () => {
  const small = { contextLength: 4, rowsPerRun: 1 };
  const failing = orderedHooks(madeModel(3), ["x".repeat(300)], small);
  for (const stream of failing.map((one) => Array.fromAsync(one))) {
    await assertRejects(() => stream, Error, "the model fails");
  }
  const [a] = orderedHooks(madeModel(), ["x".repeat(300)], small);
  await assertRejects(
    () => Array.fromAsync(a),
    Error,
    "the stream of b is not read, and that of a waits for it: streams of several hooks must be read",
  );
});
