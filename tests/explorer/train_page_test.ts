import { assert, assertEquals } from "@std/assert";
import { openDevice } from "../../lib/device/open_device.ts";
import type { OpenedModel } from "../../lib/explorer/page/page_model.ts";
import { namedDevice } from "../../lib/explorer/page/page_device.ts";
import { contextAt, rankLatents } from "../../lib/explorer/page/rank_latents.ts";
import { BATCH, queryOf, settingsOf } from "../../lib/explorer/page/train_settings.ts";
import {
  type ShownLatents,
  type ShownText,
  trainAndShow,
  trainingBatches,
} from "../../lib/explorer/page/training.ts";
import { lossFigure } from "../../lib/explorer/page/train.tsx";
import { trainSae } from "../../lib/training/train_sae.ts";

/** Tokens are characters; the activation at a token is told from it and from the token before. */
const model: OpenedModel = {
  ...{ id: "letters", dModel: 6, bosToken: 0, maxContext: 40 },
  tokenize: (text) => Int32Array.from(text, (letter) => letter.charCodeAt(0)),
  tokenText: (token) => String.fromCharCode(token),
  activations(tokens, rows) {
    const data = new Float32Array(tokens.length * 6);
    tokens.forEach((token, i) => {
      for (let j = 0; j < 6; j++) data[6 * i + j] = Math.sin(token * (j + 1) + 0.1 * j);
    });
    assertEquals(tokens.length % rows, 0);
    return Promise.resolve({ data, rows: tokens.length, cols: 6 });
  },
};

const DOCUMENTS = ["the cat sat on the mat. ".repeat(20), "a dog ran to the sea. ".repeat(20)];

Deno.test("the training page's run is trainSae's, and its latents are those of the moment", async () => {
  using device = await openDevice({ device: "cpu", workers: 0 });
  const settings = { dictSize: 12, k: 2, steps: 12, seed: 4 };
  const losses: number[] = [];
  const shown: ShownLatents[] = [];
  let text: ShownText | undefined;
  await trainAndShow(device, model, DOCUMENTS, settings, {
    onText: (given, about) => {
      text = given;
      assertEquals(about, { dModel: 6, contextLength: 40 });
    },
    onSteps: (records) => losses.push(...records.map(({ loss }) => loss)),
    onLatents: (latents) => shown.push(latents),
  });
  const { batches } = trainingBatches(model, DOCUMENTS, 4);
  const { history } = await trainSae(device, batches, { architecture: "batchtopk", ...settings });
  assertEquals(losses, history.map(({ loss }) => loss));
  assertEquals(shown.map(({ step }) => step), [5, 10, 12]);
  assert(shown[2].nmse < shown[0].nmse && shown[2].nmse > 0);
  assertEquals(text!.rowLength, 39);
  assertEquals(text!.tokens.join(""), DOCUMENTS[0].slice(0, 12 * 39));
  // As in training, k latents per token on average.
  for (const { latents } of shown) assert(latents.length <= 2 * text!.tokens.length);
});

Deno.test("text that is less than a batch is a batch of its own", async () => {
  const { batches, contextLength } = trainingBatches(model, ["to be or not to be"], 0);
  assertEquals(contextLength, 19);
  for (let epoch = 0; epoch < 2; epoch++) {
    const { value } = await batches.next();
    assertEquals([value!.rows, value!.cols], [18, 6]);
  }
  await batches.return(undefined);
  const long = trainingBatches(model, DOCUMENTS, 0);
  assertEquals((await long.batches.next()).value!.rows, BATCH);
  await long.batches.return(undefined);
});

Deno.test("latents are ranked by how much their peaks are one token, by activation, by density", () => {
  const tokens = [" a", "b", " A", "b", "a", "c"];
  // Latent 7 is active at " a", " A", "a"; latent 2 at everything; latent 5 once, most strongly.
  const codes = {
    rowOffsets: Uint32Array.of(0, 2, 3, 5, 6, 9, 10),
    latents: Uint32Array.of(7, 2, 2, 7, 2, 2, 7, 2, 5, 2),
    values: Float32Array.of(3, 1, 1, 2, 1, 1, 2, 1, 9, 1),
  };
  const ranked = (order: "clear" | "strong" | "frequent") => rankLatents(codes, tokens, order);
  assertEquals(ranked("clear").map(({ latent }) => latent), [7, 2, 5]);
  assertEquals(ranked("strong").map(({ latent }) => latent), [5, 7, 2]);
  assertEquals(ranked("frequent").map(({ latent }) => latent), [2, 7, 5]);
  const [first] = ranked("clear");
  assertEquals(first, {
    ...{ latent: 7, max: 3, actives: 3, token: " a", same: 3, peaks: 3, positions: [0, 2, 4] },
  });
  assertEquals(rankLatents({ ...codes, rowOffsets: new Uint32Array(7) }, tokens, "clear"), []);
  // A context ends where its row ends, and positions count from BOS.
  assertEquals(contextAt(2, 7, codes, { tokens, rowLength: 3 }), {
    ...{ row: 0, position: 3, peak: 2, tokens: [" a", "b", " A"], active: [[0, 3], [2, 2]] },
  });
  assertEquals(contextAt(4, 5, codes, { tokens, rowLength: 3 }), {
    ...{ row: 1, position: 2, peak: 1, tokens: ["b", "a", "c"], active: [[1, 9]] },
  });
});

Deno.test("settings and device are read from the address as they are written, within bounds", () => {
  const settings = { dictSize: 64, k: 16, steps: 20, seed: 9 };
  assertEquals(queryOf(settings), { m: 64, k: undefined, steps: 20, seed: 9 });
  const query = (text: string) => new URLSearchParams(text);
  assertEquals(settingsOf(query("m=64&steps=20&seed=9")), settings);
  const defaults = { dictSize: 512, k: 16, steps: 300, seed: 0 };
  assertEquals(settingsOf(query("m=1e9&k=-1&steps=&seed=x&constructor=1")), defaults);
  assertEquals(namedDevice(query("device=cpu")), "cpu");
  assertEquals(namedDevice(query("device=__proto__")), "auto");
});

Deno.test("the loss is drawn over the steps that the run will have, on a logarithmic axis", () => {
  const records = [[1, 1], [2, 0.5], [3, 0.25]].map(([step, loss]) => ({ step, loss }));
  const { note, x, lines: [{ points }] } = { lines: [], ...lossFigure(records, 6) };
  assertEquals(note, "from 1 to 0.25");
  assertEquals(x.ticks.at(-1)![1], "6");
  // Halves are one distance, and three of six steps half of the width.
  assert(Math.abs(points[0][1] - 2 * points[1][1] + points[2][1]) < 1e-3);
  assert(Math.abs(points[2][0] - 0.5) < 1e-3);
  assertEquals(lossFigure([], 6).lines![0].points, []);
});
