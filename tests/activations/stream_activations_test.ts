import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import type { ActivationModel } from "../../lib/activations/ordered_activations.ts";
import {
  streamActivations,
  type StreamActivationsOptions,
} from "../../lib/activations/stream_activations.ts";
import type { Matrix } from "../../lib/matrix.ts";

const bos = 1000;

/** A model whose activation at (row, position) is [token, position, 1], with a record of its calls. */
function fakeModel(change: (data: Float32Array, call: number) => void = () => {}) {
  const log = { calls: 0, underWay: 0, most: 0, rows: [] as number[] };
  const model: ActivationModel = {
    id: "fake",
    dModel: 3,
    maxContext: 64,
    bosToken: bos,
    tokenize: (text) => Int32Array.from(text, (character) => character.charCodeAt(0)),
    async activations(tokens, rows): Promise<Matrix> {
      const call = log.calls++;
      log.rows.push(rows);
      log.most = Math.max(log.most, ++log.underWay);
      // Later calls answer first now and then.
      await new Promise((resolve) => setTimeout(resolve, call % 2 ? 1 : 4));
      log.underWay--;
      const length = tokens.length / rows;
      const data = new Float32Array(tokens.length * 3);
      tokens.forEach((token, i) => data.set([token, i % length, 1], 3 * i));
      change(data, call);
      return { data, rows: tokens.length, cols: 3 };
    },
  };
  return { model, log };
}

const small: StreamActivationsOptions = {
  contextLength: 5,
  rowsPerRun: 3,
  batchSize: 8,
  bufferRows: 16,
};
const text = "abcdefghijklmnopqrstuvwxyz".repeat(4);

async function rowsOf(batches: AsyncIterable<Matrix>): Promise<number[][]> {
  const rows: number[][] = [];
  for await (const { data, cols } of batches) {
    for (let i = 0; i < data.length; i += cols) rows.push([...data.subarray(i, i + cols)]);
  }
  return rows;
}

const sorted = (rows: number[][]) => rows.map(String).sort();

Deno.test("streamActivations: every kept position comes out once, BOS left out", async () => {
  const { model, log } = fakeModel();
  const batches = await Array.fromAsync(streamActivations(model, [text], small));
  assertEquals(batches.map(({ rows, cols }) => [rows, cols]), Array(13).fill([8, 3]));
  const wanted = [...text].map((character, i) => [character.charCodeAt(0), 1 + i % 4, 1]);
  const rows = await rowsOf(streamActivations(fakeModel().model, [text], small));
  assertEquals(sorted(rows), sorted(wanted));
  assert(String(rows) !== String(wanted));
  assertEquals(log.rows, [...Array(8).fill(3), 2]);
  assertEquals(log.most, 2);
});

Deno.test("streamActivations: seed and nothing else makes the order", async () => {
  const run = (options: StreamActivationsOptions) =>
    rowsOf(streamActivations(fakeModel().model, [text], { ...small, ...options }));
  const first = await run({ seed: 3 });
  assertEquals(await run({ seed: 3, prefetch: 7 }), first);
  assertEquals(await run({ seed: 3, rowsPerRun: 1, prefetch: 1 }), first);
  assert(String(await run({ seed: 4 })) !== String(first));
});

Deno.test("streamActivations: skipPositions, maxTokens, keepLast, default length", async () => {
  const { model, log } = fakeModel();
  const all = await rowsOf(streamActivations(model, [text], { ...small, skipPositions: [] }));
  assertEquals(
    all.filter(([token]) => token === bos).length,
    all.filter(([, p]) => p === 0).length,
  );
  assert(all.some(([, position]) => position === 0));
  const some = await rowsOf(streamActivations(model, [text], { ...small, skipPositions: [0, 4] }));
  assertEquals(new Set(some.map(([, position]) => position)), new Set([1, 2, 3]));
  log.rows = [];
  const few = { ...small, maxTokens: 21, keepLast: true };
  const batches = await Array.fromAsync(streamActivations(model, [text], few));
  assertEquals(batches.map(({ rows }) => rows), [8, 8, 5]);
  assertEquals(log.rows, [3, 3]);
  const one = await rowsOf(streamActivations(model, [text], { batchSize: 63, bufferRows: 10 }));
  assertEquals(Math.max(...one.map(([, position]) => position)), 63);
});

Deno.test("streamActivations: nothing runs before it is asked, or after it is left", async () => {
  const { model, log } = fakeModel();
  let closed = false;
  async function* endless() {
    try {
      while (true) yield text;
    } finally {
      closed = true;
    }
  }
  const stream = streamActivations(model, endless(), { ...small, normLimit: "none" });
  assertEquals(log.calls, 0);
  for await (const batch of stream) {
    assertEquals(batch.rows, 8);
    break;
  }
  assert(closed);
  const { calls } = log;
  assert(calls <= 6, `${calls} calls`);
  await new Promise((resolve) => setTimeout(resolve, 20));
  assertEquals(log.calls, calls);
});

Deno.test("streamActivations: the model works while the consumer does", async () => {
  const { model, log } = fakeModel();
  const stream = streamActivations(model, [text], { ...small, prefetch: 3, normLimit: "none" });
  await stream.next();
  assertEquals(log.underWay, 3);
  await new Promise((resolve) => setTimeout(resolve, 20));
  assertEquals(log.underWay, 0);
  await stream.return(undefined);
});

Deno.test("streamActivations: a failing model is an error, never an unhandled rejection", async () => {
  const failing = () =>
    fakeModel((_, call) => {
      if (call >= 2) throw new Error(`call ${call} failed`);
    }).model;
  const unhandled: unknown[] = [];
  const note = (event: PromiseRejectionEvent) => {
    event.preventDefault();
    unhandled.push(event.reason);
  };
  addEventListener("unhandledrejection", note);
  const options = { ...small, prefetch: 4, normLimit: "none" as const };
  await assertRejects(
    () => rowsOf(streamActivations(failing(), [text], options)),
    Error,
    "call 2 failed",
  );
  for await (const _ of streamActivations(failing(), [text], { ...options, bufferRows: 1 })) break;
  await new Promise((resolve) => setTimeout(resolve, 20));
  removeEventListener("unhandledrejection", note);
  assertEquals(unhandled, []);
});

Deno.test("streamActivations: an abort signal ends it with its reason", async () => {
  const { model, log } = fakeModel();
  const abort = new AbortController();
  const stream = streamActivations(model, [text], {
    ...small,
    signal: abort.signal,
    // Measuring would wait for all of this short text.
    normLimit: "none",
  });
  await stream.next();
  abort.abort(new Error("enough"));
  await assertRejects(() => rowsOf(stream), Error, "enough");
  const { calls } = log;
  await new Promise((resolve) => setTimeout(resolve, 10));
  assertEquals(log.calls, calls);
});

Deno.test("streamActivations: bad activations are named", async () => {
  for (const value of [NaN, Infinity]) {
    // Call 1, row 1, position 2, activation 0.
    const { model } = fakeModel((data, call) => {
      if (call === 1) data[3 * (5 + 2)] = value;
    });
    await assertRejects(
      () => rowsOf(streamActivations(model, [text], small)),
      Error,
      `fake gave ${value} as activation 0 of token row 4, position 2`,
    );
  }
  const { model } = fakeModel();
  model.activations = (_, rows) =>
    Promise.resolve({ data: new Float32Array(rows * 10), rows: rows * 5, cols: 2 });
  await assertRejects(
    () => rowsOf(streamActivations(model, [text], small)),
    Error,
    "fake gave activations [15, 2] with 30 elements for 3 token rows, expected 3 columns",
  );
});

Deno.test("streamActivations: bad options and short texts", async () => {
  const { model } = fakeModel();
  const bad = (options: StreamActivationsOptions, message: string) =>
    assertThrows(() => streamActivations(model, [text], { ...small, ...options }), Error, message);
  bad({ batchSize: 0 }, "batchSize is 0");
  bad({ prefetch: 1.5 }, "prefetch is 1.5");
  bad({ maxTokens: NaN }, "maxTokens is NaN");
  bad({ contextLength: 65 }, "contextLength is 65");
  bad({ skipPositions: [5] }, "skipPositions contains 5, expected positions from 0 to 4");
  bad({ skipPositions: [0, 1, 2, 3, 4] }, "expected at least one to be kept");
  bad({ seed: 0.5 }, "seed is 0.5");
  await assertRejects(
    () => rowsOf(streamActivations(model, ["abcd"], small)),
    Error,
    "fewer activations than one batch of 8",
  );
  await assertRejects(() => rowsOf(streamActivations(model, ["ab"], small)), Error, "2 tokens");
});
