import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { loadSae, type NormLimit, openActivationStore, trainSae } from "../../mod.ts";
import { existsSync } from "node:fs";
import {
  HOOK,
  MODEL,
  saewing,
  sleep,
  startSaewing,
  withFolder,
  writeCorpus,
} from "./cli_helper.ts";
import { openTestDevice } from "../gpu_helper.ts";

const last = (stdout: string) => JSON.parse(stdout.trim().split("\n").at(-1)!);

Deno.test("harvest writes a store that train reads, epochs included", async () => {
  await withFolder(async (folder) => {
    const corpus = await writeCorpus(folder);
    const out = join(folder, "store");
    const command = ["harvest", "--model", MODEL, "--hook", HOOK, "--text", corpus, "--out", out];
    const harvested = await saewing([...command, "--tokens", "1000", "--json"]);
    assertEquals(harvested.code, 0, harvested.stderr);
    assertEquals(last(harvested.stdout), {
      ...{
        type: "result",
        folder: out,
        hook: HOOK,
        rows: 1000,
        dModel: 128,
        dtype: "float32",
        first: 0,
      },
      ...{ normLimit: (await openActivationStore(out)).normLimit, leftOut: 0 },
    });
    const store = await openActivationStore(out);
    assertEquals((store.normLimit as NormLimit).multiple, 10);
    assertEquals(
      [store.model, store.hook, store.contextSize, store.skipPositions, store.dataset, store.rows],
      [MODEL, HOOK, 128, [0], corpus, 1000],
    );
    const again = await saewing(command);
    assertEquals(again.code, 2);
    assertMatch(
      again.stderr,
      /holds what `saewing harvest` finished 20.* UTC: take another folder, or/,
    );

    const over = await saewing([...command, "--tokens", "1000", "--overwrite"]);
    assertEquals(over.code, 0, over.stderr);

    const run = join(folder, "run");
    const trained = await saewing([
      ...["train", "--activations", out, "--dict-size", "64", "--k", "4", "--batch-size", "256"],
      ...["--epochs", "2", "--seed", "5", "--lr", "1e-3", "--out", run],
      // A scale is folded into the weights when an SAE is saved, and they are rounded.
      ...["--input-normalization", "none"],
      ...["--eval-text", corpus, "--eval-rows", "2", "--device", "auto"],
    ]);
    assertEquals(trained.code, 0, trained.stderr);
    // 2 · 1000 activations are 7 batches of 256.
    assertStringIncludes(trained.stdout, "7 steps in");
    assertStringIncludes(trained.stdout, "cross-entropy, spliced");
    const config = JSON.parse(await Deno.readTextFile(join(run, "config.json")));
    assertEquals([config.activations, config.epochs, config.hook], [out, 2, HOOK]);
    const sae = await loadSae(join(run, "sae"));
    assertEquals([sae.metadata.model, sae.metadata.hook, sae.dModel], [MODEL, HOOK, 128]);

    // The library, given a new buffer each batch, ends with the same bits.
    using gpu = await openTestDevice();
    const batches = store.batches({ batchSize: 256, epochs: 2, seed: 5 });
    const { sae: same } = await trainSae(gpu, batches, {
      ...{ architecture: "batchtopk", dictSize: 64, k: 4, seed: 5, learningRate: 1e-3 },
      inputNormalization: "none",
    });
    assertEquals(sae.wEnc, same.wEnc);
    assertEquals(sae.bDec, same.bDec);
  });
});

Deno.test("harvest in float16 with BOS, as many epochs as steps need", async () => {
  await withFolder(async (folder) => {
    const corpus = await writeCorpus(folder);
    const out = join(folder, "store");
    const harvested = await saewing([
      ...["harvest", "--model", MODEL, "--hook", HOOK, "--text", corpus, "--out", out],
      ...["--tokens", "500", "--dtype", "float16", "--include-bos", "--context", "32"],
    ]);
    assertEquals(harvested.code, 0, harvested.stderr);
    assertStringIncludes(harvested.stdout, `500 activations in ${out}`);
    const store = await openActivationStore(out);
    assertEquals([store.dtype, store.contextSize, store.skipPositions], ["float16", 32, []]);
    assertEquals((await Deno.stat(join(out, "shard-00000.bin"))).size, 500 * 128 * 2);
    // 500 activations are 15 rows of 32 tokens and a part of one: what a run that continues compares.
    const { texts } = JSON.parse(await Deno.readTextFile(join(out, "store.json")));
    assertEquals(texts.tokenRows, 16);
    const trained = await saewing([
      ...["train", "--activations", out, "--dict-size", "32", "--k", "4", "--batch-size", "200"],
      ...["--steps", "6", "--out", join(folder, "run"), "--json"],
    ]);
    assertEquals(trained.code, 0, trained.stderr);
    assertEquals(last(trained.stdout).steps, 6);
  });
});

Deno.test("Ctrl-C ends harvest, and the same command goes on", async () => {
  await withFolder(async (folder) => {
    const corpus = join(folder, "long.txt");
    await Deno.writeTextFile(corpus, "It was the best of times. ".repeat(20_000));
    const out = join(folder, "store");
    const command = ["harvest", "--model", MODEL, "--hook", HOOK, "--text", corpus, "--out", out];
    const running = startSaewing(command);
    while (!existsSync(join(out, "store.json"))) await sleep(10);
    running.signal("SIGINT");
    const { code, stdout } = await running.ran;
    assertEquals(code, 130);
    assertMatch(stdout, /interrupted: .* keeps \d+ activations/);
    const unfinished = await saewing([
      ...["train", "--activations", out, "--dict-size", "8", "--k", "2"],
      ...["--out", join(folder, "run")],
    ]);
    assertEquals(unfinished.code, 1);
    assertStringIncludes(unfinished.stderr, "is unfinished");
    const other = await saewing([...command, "--seed", "1", "--tokens", "300"]);
    assertEquals(other.code, 1);
    assertStringIncludes(other.stderr, "an unfinished store with seed 0, this run has 1");
    const resumed = await saewing([...command, "--tokens", "300"]);
    assertEquals(resumed.code, 0, resumed.stderr);
    assertEquals((await openActivationStore(out)).rows, 300);
  });
});

const store = ["train", "--activations", "nothing", "--dict-size", "8", "--k", "2", "--out", "x"];
const harvest = ["harvest", "--model", MODEL, "--hook", HOOK, "--text", "none.txt", "--out", "x"];

const CASES: [name: string, args: string[], code: number, error: RegExp][] = [
  ["no folder to write to", harvest.slice(0, -2), 2, /--out is missing/],
  ["no text", harvest.filter((arg) => !/text|none/.test(arg)), 2, /--text is missing/],
  [
    "an unknown dtype",
    [...harvest, "--dtype", "fp16"],
    2,
    /--dtype is fp16, expected float32, float16 or/,
  ],
  [
    "a fraction of tokens",
    [...harvest, "--tokens", "1.5"],
    2,
    /--tokens is 1\.5, expected a whole/,
  ],
  ["text that is not there", harvest, 1, /cannot read none\.txt: there is no such file/],
  [
    "a store that is not there",
    store,
    1,
    /nothing is not an activation store: it has no store\.json/,
  ],
  [
    "a store and a model",
    [...store, "--model", MODEL],
    2,
    /--model cannot be used with --activations/,
  ],
  [
    "a store and BOS",
    [...store, "--include-bos"],
    2,
    /--include-bos cannot be used with --activations/,
  ],
  ["half an epoch", [...store, "--epochs", "0.5"], 2, /--epochs is 0\.5, expected a whole number/],
];

for (const [name, args, code, error] of CASES) {
  Deno.test(`${args[0]} with ${name} says so`, async () => {
    await withFolder(async (folder) => {
      const ran = await saewing(args.map((arg) => arg === "x" ? join(folder, arg) : arg));
      assertMatch(ran.stderr, error);
      assertEquals(ran.code, code);
      assert(!/^\s+at /m.test(ran.stderr), ran.stderr);
    });
  });
}

Deno.test("harvest at several hooks writes the stores that it writes at each alone", async () => {
  await withFolder(async (folder) => {
    const corpus = await writeCorpus(folder);
    const hooks = [HOOK, "blocks.1.mlp.hook_post"];
    const base = [
      "harvest",
      "--model",
      MODEL,
      "--text",
      corpus,
      "--tokens",
      "500",
      "--context",
      "64",
    ];
    const out = join(folder, "both");
    const named = hooks.flatMap((hook) => ["--hook", hook]);
    const both = await saewing([...base, ...named, "--out", out, "--json"]);
    assertEquals(both.code, 0, both.stderr);
    const { stores } = last(both.stdout);
    assertEquals(
      stores.map(({ hook, rows, dModel }: Record<string, unknown>) => [hook, rows, dModel]),
      [[hooks[0], 500, 128], [hooks[1], 500, 512]],
    );
    for (const hook of hooks) {
      const alone = join(folder, "alone", hook);
      const one = await saewing([...base, "--hook", hook, "--out", alone]);
      assertEquals(one.code, 0, one.stderr);
      const [a, b] = [await openActivationStore(join(out, hook)), await openActivationStore(alone)];
      assertEquals([a.hook, a.rows, a.normLimit], [b.hook, b.rows, b.normLimit]);
      const read = (store: typeof a) =>
        Array.fromAsync(store.batches({ batchSize: 500, epochs: 1 }));
      const [[x], [y]] = [await read(a), await read(b)];
      const far = x.data.reduce((most, one, at) => Math.max(most, Math.abs(one - y.data[at])), 0);
      assert(far < 1e-5, `${hook} is off by ${far}`);
    }
    const again = await saewing([...base, ...named, "--out", out]);
    assertEquals(again.code, 2);
    assertStringIncludes(again.stderr, "holds what `saewing harvest` finished");
  });
});
