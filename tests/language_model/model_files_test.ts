import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { env } from "@huggingface/transformers";
import { join } from "@std/path";
import { findModelFiles } from "../../lib/language_model/model_files.ts";
import {
  type LanguageModelOptions,
  openLanguageModel,
} from "../../lib/language_model/open_language_model.ts";
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
      `${join(folder, "onnx")} has decoder_model_merged.onnx, model.onnx`,
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
      [{ ...good, n_embd: undefined }, "has no hidden_size or n_embd or d_model"],
      [{ ...good, n_layer: -1 }, "n_layer is -1, expected a whole number from 1"],
      [{ ...good, vocab_size: "96" }, 'vocab_size is "96", expected'],
      [null, "holds null, expected an object"],
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
      "has the shape [1, 2, 64], expected [rows, positions, hidden size] = [1, 2, 32]",
    );
    assertStringIncludes(error.message, folder);

    await Deno.writeTextFile(join(folder, "tokenizer.json"), "{}");
    assertStringIncludes(await messageOf(folder), "no tokenizer_config.json");
    await Deno.writeTextFile(join(folder, "tokenizer_config.json"), "{}");
    assertStringIncludes(await messageOf(folder), "tokenizer.json cannot be opened");
  });
});

Deno.test("a hub id is downloaded once and then read from the cache", async () => {
  await withFolder(async (cacheDir) => {
    const asked: string[] = [];
    const server = Deno.serve(
      { port: 0, hostname: "127.0.0.1", onListen() {} },
      async (request) => {
        const path = new URL(request.url).pathname;
        const name = path.replace(/^\/someone\/tiny\/resolve\/\w+\//, "");
        asked.push(name);
        try {
          return new Response(await Deno.readFile(join(tinyGpt2, name)));
        } catch {
          return new Response("no such file", { status: 404 });
        }
      },
    );
    const host = env.remoteHost;
    env.remoteHost = `http://127.0.0.1:${server.addr.port}/`;
    try {
      const progress = new Set<string>();
      const options = { ...defaults, cacheDir, revision: "v1" };
      const files = await findModelFiles("someone/tiny", {
        ...options,
        onProgress: ({ file, loaded, total }) => {
          progress.add(file);
          assert(loaded <= total, `${loaded} of ${total}`);
        },
      });
      assertEquals(files.folder, join(cacheDir, "someone/tiny/v1"));
      assertEquals(
        await Deno.readFile(files.onnx),
        await Deno.readFile(join(tinyGpt2, "onnx/model.onnx")),
      );
      assert(asked.includes("onnx/model.onnx") && progress.has("onnx/model.onnx"));
      asked.length = 0;
      assertEquals(await findModelFiles("someone/tiny", options), files);
      assertEquals(asked, []);
      await assertRejects(
        () => findModelFiles("someone/other", options),
        Error,
        "someone/other is no folder here and could not be downloaded",
      );
    } finally {
      env.remoteHost = host;
      await server.shutdown();
    }
  });
});

Deno.test("a hub that cannot be reached is said to be so", async () => {
  const host = env.remoteHost;
  // Port 9 discards what it gets, where it is open at all.
  env.remoteHost = "http://127.0.0.1:9/";
  try {
    await withFolder(async (cacheDir) => {
      const message = await messageOf("someone/tiny", { cacheDir });
      assertStringIncludes(
        message,
        "someone/tiny is no folder here and could not be downloaded from http://127.0.0.1:9/: ",
      );
      assertStringIncludes(message, "put the model's files into a folder and name that");
    });
  } finally {
    env.remoteHost = host;
  }
});
