import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { join, resolve } from "@std/path";
import { findModelFiles, ModelMissingError } from "../../lib/language_model/model_files.ts";
import {
  type LanguageModelOptions,
  openLanguageModel,
} from "../../lib/language_model/open_language_model.ts";
import { commitOf, startFakeHub } from "./fake_hub.ts";
import { loadFixture, tinyGpt2 } from "./fixtures.ts";

const hook = "blocks.1.hook_resid_pre";
const defaults = { dtype: "fp32", modelFile: "model", revision: "main" } as const;

async function messageOf(idOrFolder: string, options?: Partial<LanguageModelOptions>) {
  const open = () => openLanguageModel(idOrFolder, { hook, ...options });
  return (await assertRejects(open, Error)).message;
}

async function withFolder(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await run(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("folders and files that are missing are named, with what is there", async () => {
  const { folder } = loadFixture("gpt2");
  assertStringIncludes(
    await messageOf("./no/such/folder"),
    `${join(Deno.cwd(), "no/such/folder")} does not exist, expected a folder with config.json`,
  );
  assertStringIncludes(await messageOf(join(folder, "config.json")), "is a file, expected the");
  assertStringIncludes(await messageOf(join(folder, "onnx")), "has no config.json");
  assertStringIncludes(
    await messageOf(folder, { dtype: "q4f16" }),
    `${join(folder, "onnx", "model_q4f16.onnx")} does not exist; ` +
      `${join(folder, "onnx")} has decoder_model_merged.onnx, model.onnx, model_quantized.onnx`,
  );
  assertStringIncludes(
    await messageOf(folder, { dtype: "fp64" as "fp32" }),
    'dtype is "fp64", expected one of fp32, fp16, q8',
  );
  assertStringIncludes(await messageOf(folder, { threads: 0 }), "threads is 0");
});

Deno.test("a config.json that is no decoder's is refused with the field", async () => {
  await withFolder(async (folder) => {
    await Deno.mkdir(join(folder, "onnx"));
    await Deno.copyFile(
      join(loadFixture("gpt2").folder, "onnx/model.onnx"),
      join(folder, "onnx/model.onnx"),
    );
    const good = { n_embd: 64, n_layer: 3, vocab_size: 96, eos_token_id: [7, 8], n_positions: 64 };
    const cases: [unknown, string][] = [
      [{ ...good, n_embd: undefined }, "has no hidden_size or n_embd or n_embed or d_model"],
      [{ ...good, n_layer: -1 }, "n_layer is -1, expected a whole number from 1"],
      [{ ...good, vocab_size: "96" }, 'vocab_size is "96", expected'],
      [null, "holds null, expected an object"],
      [
        { ...good, model_type: "t5", is_encoder_decoder: true },
        "a t5 has an encoder and a decoder (is_encoder_decoder), expected a decoder only",
      ],
    ];
    for (const [config, text] of cases) {
      await Deno.writeTextFile(join(folder, "config.json"), JSON.stringify(config));
      assertStringIncludes(await messageOf(folder), text);
    }
    await Deno.writeTextFile(join(folder, "config.json"), "{");
    assertStringIncludes(await messageOf(folder), "config.json is not JSON");

    await Deno.writeTextFile(join(folder, "config.json"), JSON.stringify(good));
    await using model = await openLanguageModel(folder, { hook });
    assertEquals([model.bosToken, model.maxContext], [7, 64]);

    // A width that the graph does not have shows at the first run.
    await Deno.writeTextFile(join(folder, "config.json"), JSON.stringify({ ...good, n_embd: 32 }));
    await using wrong = await openLanguageModel(folder, { hook });
    const error = await assertRejects(() => wrong.activations(Int32Array.of(1, 2), 1), Error);
    assertStringIncludes(
      error.message,
      "has the shape [1, 2, 64], expected [rows, positions, width] = [1, 2, 32]",
    );
    assertStringIncludes(error.message, folder);

    await Deno.writeTextFile(join(folder, "tokenizer.json"), "{}");
    assertStringIncludes(await messageOf(folder), "no tokenizer_config.json");
    await Deno.writeTextFile(join(folder, "tokenizer_config.json"), "{}");
    assertStringIncludes(await messageOf(folder), "tokenizer.json cannot be opened");
  });
});

Deno.test("where config.json names no first token the tokenizer does, or nothing", async () => {
  await withFolder(async (folder) => {
    const { folder: gpt2, tokens, rows } = loadFixture("gpt2");
    await Deno.copyFile(join(gpt2, "onnx/model.onnx"), join(folder, "model.onnx"));
    const config = JSON.parse(Deno.readTextFileSync(join(gpt2, "config.json")));
    const none = { ...config, bos_token_id: null, eos_token_id: null };
    await Deno.writeTextFile(join(folder, "config.json"), JSON.stringify(none));
    await using bare = await openLanguageModel(folder, { hook, threads: 1 });
    assertEquals((await bare.activations(tokens, rows)).rows, tokens.length);
    assertStringIncludes(
      assertThrows(() => bare.bosToken, Error).message,
      "config.json has no bos_token_id or eos_token_id and the tokenizer has no such token",
    );
    for (const name of ["tokenizer.json", "tokenizer_config.json"]) {
      await Deno.copyFile(join(tinyGpt2, name), join(folder, name));
    }
    await using model = await openLanguageModel(folder, { hook, threads: 1 });
    assertEquals(model.bosToken, 4095);
    await Deno.writeTextFile(
      join(folder, "config.json"),
      JSON.stringify({ ...none, eos_token_id: 3 }),
    );
    await using named = await openLanguageModel(folder, { hook, threads: 1 });
    assertEquals(named.bosToken, 3);
  });
});

function tinyFiles(): Record<string, Uint8Array<ArrayBuffer>> {
  const names = ["config.json", "tokenizer.json", "tokenizer_config.json", "onnx/model.onnx"];
  return Object.fromEntries(names.map((name) => [name, Deno.readFileSync(join(tinyGpt2, name))]));
}

Deno.test("a hub id is downloaded once and then read from the cache", async () => {
  await withFolder(async (cacheDir) => {
    await using hub = startFakeHub({ files: tinyFiles(), largeFrom: 1_000_000 });
    const options = { ...defaults, cacheDir, revision: "v1", endpoint: hub.endpoint, token: "" };
    const progress = new Set<string>();
    const files = await findModelFiles("someone/thing", {
      ...options,
      onProgress: ({ phase: file, done, total }) => {
        progress.add(file);
        assert(done <= total!, `${done} of ${total}`);
      },
    });
    const commit = commitOf(tinyFiles());
    assertEquals(files.folder, join(cacheDir, "models--someone--thing/snapshots", commit));
    // The branch is asked for once, then all files are those of its commit.
    const revisions = hub.asked.filter(({ host }) => host === "hub")
      .map(({ path }) => /\/resolve\/([^/]+)\//.exec(path)?.[1]);
    assertEquals(revisions, ["v1", ...Array(revisions.length - 1).fill(commit)]);
    assertEquals(await Deno.readFile(files.onnx), hubFile("onnx/model.onnx"));
    assertEquals([...progress].sort(), Object.keys(tinyFiles()).sort());
    hub.asked.length = 0;
    assertEquals(await findModelFiles("someone/thing", { ...options, revision: commit }), files);
    assertEquals(hub.asked, []);
    assertEquals(await findModelFiles("someone/thing", options), files);
    assertEquals(hub.asked.map(({ method, path }) => [method, path]), [
      ["HEAD", "/someone/thing/resolve/v1/config.json"],
    ]);
    await using model = await openLanguageModel("someone/thing", {
      ...options,
      hook,
      offline: true,
    });
    assertEquals(model.tokenize("Hello").length > 0, true);
    await assertRejects(
      () => findModelFiles("someone/other", options),
      Error,
      "someone/other is not a folder, and on the hub: there is no someone/other",
    );
    await assertRejects(
      () => findModelFiles("someone/thing", { ...options, dtype: "q4", offline: true }),
      Error,
      "someone/thing has no onnx/model_q4.onnx and no model_q4.onnx; it has onnx/model.onnx",
    );
  });
});

function hubFile(name: string): Uint8Array<ArrayBuffer> {
  return Deno.readFileSync(join(tinyGpt2, name));
}

Deno.test("the files that a graph keeps its weights in are downloaded with it", async () => {
  const { folder } = loadFixture("llama");
  const names = ["config.json", "onnx/model.onnx", "onnx/dy.onnx.data"];
  const read = (name: string) => [name, Deno.readFileSync(join(folder, name))];
  const files = Object.fromEntries(names.map(read));
  const plain = { "config.json": files["config.json"], "model.onnx": files["onnx/model.onnx"] };
  for (
    const [there, missing] of [
      [files, ""],
      [{ ...plain, "dy.onnx.data": files[names[2]] }, ""],
      [
        plain,
        "someone/thing has no file dy.onnx.data at revision main",
      ],
    ] as const
  ) {
    await withFolder(async (cacheDir) => {
      await using hub = startFakeHub({ files: there });
      const options = { ...defaults, cacheDir, endpoint: hub.endpoint, token: "" };
      const find = () => findModelFiles("someone/thing", options);
      if (missing) return void await assertRejects(find, Error, missing);
      const { onnx } = await find();
      assertEquals(await Deno.readFile(join(onnx, "../dy.onnx.data")), files[names[2]]);
    });
  }
});

Deno.test("a model's file can be named by its path, and stand alone", async () => {
  const { folder } = loadFixture("gpt2");
  const onnx = join(folder, "onnx/decoder_model_merged.onnx");
  const find = (modelFile: string) => findModelFiles(folder, { ...defaults, modelFile });
  assertEquals((await find("onnx/decoder_model_merged")).onnx, onnx);
  assertEquals((await find("decoder_model_merged.onnx")).onnx, onnx);
  assertEquals(await findModelFiles(onnx, defaults), { folder, onnx });
  await withFolder(async (empty) => {
    const alone = join(empty, "model.onnx");
    await Deno.copyFile(onnx, alone);
    await assertRejects(
      () => findModelFiles(alone, defaults),
      Error,
      "has no config.json beside it or in the folder above",
    );
    await Deno.copyFile(join(folder, "config.json"), join(empty, "config.json"));
    assertEquals(await findModelFiles(empty, defaults), { folder: empty, onnx: alone });
  });
});

Deno.test("what looks like a path is not asked of the hub", async () => {
  await withFolder(async (cacheDir) => {
    await using hub = startFakeHub({ files: {} });
    const options = { ...defaults, cacheDir, endpoint: hub.endpoint, token: "" };
    for (
      const path of ["./no-such", "../no-such", "/no-such", "no/such/folder", "tests/no-such", ".x"]
    ) {
      await assertRejects(
        () => findModelFiles(path, options),
        ModelMissingError,
        `${resolve(path)} does not exist, expected a folder with config.json and onnx/`,
      );
    }
    await assertRejects(
      () => findModelFiles("tests/no-such", options),
      Error,
      `(tests/no-such is not looked up on the hub, because the folder ${resolve("tests")} exists)`,
    );
    assertEquals(hub.asked, []);
  });
});

Deno.test("a hub that cannot be reached is said to be so", async () => {
  await withFolder(async (cacheDir) => {
    // Port 9 discards what it gets, where it is open at all.
    const options = { ...defaults, cacheDir, endpoint: "http://127.0.0.1:9", token: "" };
    await assertRejects(
      () => findModelFiles("someone/tiny", { ...options, limits: { attempts: 1 } }),
      Error,
      "someone/tiny is not a folder, and on the hub: config.json of someone/tiny " +
        "could not be downloaded from http://127.0.0.1:9: no connection to 127.0.0.1:9",
    );
  });
});
