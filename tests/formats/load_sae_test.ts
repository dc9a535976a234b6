import { assert, assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { parseHubId } from "../../lib/formats/hub_sae.ts";
import { loadSae, type LoadSaeOptions } from "../../lib/formats/load_sae.ts";
import { saveSae } from "../../lib/formats/sae_folder.ts";
import { writeSafetensors } from "../../lib/formats/safetensors.ts";
import { type FakeHubOptions, startFakeHub } from "../language_model/fake_hub.ts";
import { makeSae, v6, writeTheirs } from "./sae_helper.ts";
import { makeNpy, makeZip } from "./zip_helper.ts";

const numpys = fromFileUrl(new URL("../fixtures/npz/stored.npz", import.meta.url));

Deno.test("loadSae: Gemma Scope, from an archive and from its folder", async () => {
  const sae = await loadSae(numpys);
  const rows = Array.from({ length: 12 }, (_, i) => i / 4);
  assertEquals(sae, {
    architecture: "jumprelu",
    dModel: 3,
    dictSize: 4,
    wEnc: new Float32Array([0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11].map((i) => i / 8)),
    wDec: new Float32Array(rows),
    bEnc: new Float32Array([1, -2, 0.5, 4]),
    bDec: new Float32Array([1 / 3, -1, 2]),
    threshold: new Float32Array([0.5, 1, 2, 4]),
    subtractDecoderBias: false,
    inputNormalization: "none",
    metadata: { source: numpys, format: "gemma-scope" },
  });
  const folder = join(
    await Deno.makeTempDir(),
    "google/gemma-scope-9b-it-res/layer_20/width_16k/average_l0_14",
  );
  await Deno.mkdir(folder, { recursive: true });
  await Deno.copyFile(numpys, join(folder, "params.npz"));
  assertEquals((await loadSae(folder)).metadata, {
    model: "google/gemma-2-9b-it",
    hook: "blocks.20.hook_resid_post",
    contextSize: 1024,
    prependBos: true,
    source: folder,
    format: "gemma-scope",
  });
  // Some archives write their names small.
  const names = ["w_enc", "w_dec", "b_enc", "b_dec", "threshold"];
  const shapes = [[2, 1], [1, 2], [1], [2], [1]];
  const small = await makeZip(names.map((name, i) => ({
    name: `${name}.npy`,
    data: makeNpy(shapes[i], shapes[i][0] * (shapes[i][1] ?? 1) === 2 ? [1, 2] : [3]),
  })));
  await Deno.writeFile(join(folder, "params.npz"), small);
  assertEquals([...(await loadSae(folder)).wEnc], [1, 2]);
});

async function writeSparsify(
  cfg: Record<string, unknown> = {},
  tensors: Record<string, number[]> = {},
  name = "layers.5",
): Promise<string> {
  const folder = join(await Deno.makeTempDir(), name);
  await Deno.mkdir(folder);
  const full = { activation: "topk", d_in: 2, num_latents: 3, expansion_factor: 32, k: 2, ...cfg };
  await Deno.writeTextFile(join(folder, "cfg.json"), JSON.stringify(full));
  const shapes = { "encoder.weight": [3, 2], "encoder.bias": [3], W_dec: [3, 2], b_dec: [2] };
  const all = { ...shapes, ...tensors };
  await writeSafetensors(
    join(folder, "sae.safetensors"),
    Object.fromEntries(
      Object.entries(all).map(([name, shape]) => {
        const count = shape.reduce((a, b) => a * b, 1);
        return [name, { shape, data: Float32Array.from({ length: count }, (_, i) => i + 1) }];
      }),
    ),
  );
  return folder;
}

Deno.test("loadSae: sparsify folders", async () => {
  const folder = await writeSparsify();
  assertEquals(await loadSae(folder), {
    architecture: "topk",
    dModel: 2,
    dictSize: 3,
    k: 2,
    wEnc: new Float32Array([1, 2, 3, 4, 5, 6]),
    bEnc: new Float32Array([1, 2, 3]),
    wDec: new Float32Array([1, 2, 3, 4, 5, 6]),
    bDec: new Float32Array([1, 2]),
    subtractDecoderBias: true,
    inputNormalization: "none",
    metadata: { hook: "blocks.5.hook_resid_post", source: folder, format: "sparsify" },
  });
  const hook = async (name: string) =>
    (await loadSae(await writeSparsify({}, {}, name))).metadata.hook;
  assertEquals(await hook("layers.11.mlp"), "blocks.11.hook_mlp_out");
  assertEquals(await hook("transformer.h.0"), "blocks.0.hook_resid_post");
  assertEquals(await hook("gpt_neox.layers.3.attention"), "blocks.3.hook_attn_out");
  assertEquals(await hook("embed_tokens"), undefined);
  const other = { num_latents: 0, expansion_factor: 1.5 };
  await assertRejects(
    async () => loadSae(await writeSparsify(other)),
    Error,
    "expansion_factor is 1.5",
  );
  const refused = async (folder: Promise<string>, error: string) => {
    const path = await folder;
    const found = await assertRejects(() => loadSae(path), Error, error);
    assert(found.message.includes(path), found.message);
  };
  await refused(
    writeSparsify({ activation: "groupmax" }),
    'activation is "groupmax", expected "topk"',
  );
  await refused(writeSparsify({ transcode: true }), "this is a transcoder");
  await refused(writeSparsify({}, { W_skip: [2, 2] }), "W_skip makes this a transcoder");
  await refused(writeSparsify({ signed: true }), "signed is true");
  await refused(
    writeSparsify({ k: 4 }),
    "k is 4, expected a whole number from 1 to num_latents = 3",
  );
  await refused(
    writeSparsify({ d_in: 3 }),
    "encoder.weight is [3, 2], expected [dictSize, dModel] = [3, 3]",
  );
});

Deno.test("loadSae: a pickle that names something else than tensors is refused by that name", async () => {
  const folder = await Deno.makeTempDir();
  const text = new TextEncoder().encode("\x63posix\nsystem\nX\x02\x00\x00\x00id\x85R.");
  const pickle = new Uint8Array([0x80, 2, ...text]);
  const refused = async (path: string, error: string) => {
    const { message } = await assertRejects(() => loadSae(path), Error, error);
    assert(message.includes(path), message);
  };
  await Deno.writeFile(join(folder, "ae.pt"), pickle);
  await refused(join(folder, "ae.pt"), "it has no config.json beside it, which says its class");
  const trainer = { dict_class: "AutoEncoder" };
  await Deno.writeTextFile(join(folder, "config.json"), JSON.stringify({ trainer }));
  await refused(
    folder,
    "posix.system is named (only tensors and plain values are read, nothing is",
  );
  // Whatever its name.
  for (const name of ["x.pth", "x.weights", "layer0.sae.pt"]) {
    await Deno.writeFile(join(folder, name), pickle);
    await refused(join(folder, name), "posix.system is named");
  }
});

Deno.test("loadSae: a folder of several says which", async () => {
  const folder = await Deno.makeTempDir();
  for (const name of ["b", "a", "c"]) await saveSae(makeSae("relu"), join(folder, name));
  await Deno.mkdir(join(folder, "empty"));
  await assertRejects(() => loadSae(folder), Error, "give one of its folders a, b, c");
  for (const name of ["b", "c"]) await Deno.remove(join(folder, name), { recursive: true });
  await assertRejects(() => loadSae(folder), Error, "the SAE is in its folder a: give that one");
});

/** Runs a hub that has files, and loads an SAE from it. */
async function withHub(
  files: Record<string, Uint8Array<ArrayBuffer>>,
  use: (
    load: (id: string, more?: LoadSaeOptions) => ReturnType<typeof loadSae>,
    hub: ReturnType<typeof startFakeHub>,
  ) => Promise<void>,
  options: Partial<FakeHubOptions> = {},
): Promise<void> {
  await using hub = startFakeHub({ files, ...options });
  const cacheDir = await Deno.makeTempDir();
  const { endpoint } = hub;
  const reach = {
    endpoint,
    cacheDir,
    token: "",
    offline: false,
    limits: { delay: 1, attempts: 2 },
  };
  await use((id, more) => loadSae(id, { ...reach, ...more }), hub);
}

Deno.test("loadSae: from the hub, once", async () => {
  const theirs = await writeTheirs(v6);
  const read = (name: string) => Deno.readFile(join(theirs, name));
  const gemma = "layer_12/width_16k/average_l0_82/params.npz";
  const files = {
    "deep/one/cfg.json": await read("cfg.json"),
    "deep/one/sae_weights.safetensors": await read("sae_weights.safetensors"),
    "deep/two/cfg.json": await read("cfg.json"),
    "root.pt": new Uint8Array([0x80, 2]),
    [gemma]: await Deno.readFile(numpys),
  };
  // What the hub answers where it is asked for a folder's files.
  const answer: FakeHubOptions["answer"] = ({ path }) =>
    /^\/api\/models\/someone\/thing\/tree\/main/.test(path)
      ? Response.json(Object.keys(files).map((path) => ({ type: "file", path })))
      : undefined;
  await withHub(files, async (load, hub) => {
    const sae = await load("someone/thing/deep/one");
    assertEquals(sae.metadata.source, "someone/thing/deep/one");
    assertEquals({ ...sae, metadata: 0 }, { ...await loadSae(theirs), metadata: 0 });
    const asked = hub.asked.length;
    await load("someone/thing/deep/one", { offline: true });
    assertEquals(hub.asked.length, asked);
    await load("someone/thing/deep/one/cfg.json");
    await load("someone/thing/deep/one/sae_weights.safetensors");
    // Where main is, once each.
    assertEquals(hub.asked.slice(asked).map(({ method }) => method), ["HEAD", "HEAD"]);
    const tagged = await load("someone/thing/deep/one", { revision: "v1" });
    assertEquals(tagged.metadata.source, "someone/thing/deep/one@v1");
    assertEquals((await load(`someone/thing/${gemma}`)).dictSize, 4);
    assertEquals((await load("someone/thing/layer_12/width_16k/average_l0_82")).dictSize, 4);
    const refused: [id: string, error: string, more?: LoadSaeOptions][] = [
      [
        "someone/thing/deep",
        "none of deep/cfg.json, deep/params.npz, deep/params.safetensors, deep/hyperparams.json, " +
        "deep/config.json is there. It holds several, give",
      ],
      [
        "someone/thing",
        "give one of someone/thing/deep/one, someone/thing/deep/two, someone/thing/la",
      ],
      [
        "someone/thing/deep/two",
        "none of deep/two/cfg.json, deep/two/sae_weights.safetensors, deep/t",
      ],
      [
        "someone/thing/root.pt",
        "1 bytes are wanted, but 0 are left, at byte 2 of the first pickle",
      ],
      ["someone/other/sae", "someone/other"],
      ["someone/thing/deep/three", "offline mode", { offline: true }],
      ["someone/thing/deep/one", "v2", { revision: "v2" }],
    ];
    for (const [id, error, more] of refused) {
      await assertRejects(() => load(id, more), Error, error);
    }
    // A failure is no missing file: nothing else is tried.
    const gone = await assertRejects(() => load("someone/other/sae"), Error);
    assert(!gone.message.includes("none of"), gone.message);
    const signal = AbortSignal.abort(new Error("enough"));
    await assertRejects(() => load("someone/thing/deep/one", { signal }), Error, "enough");
  }, { answer });
});

Deno.test("loadSae: names with a colon or a plus, as some SAEs on the hub have them", async () => {
  const theirs = await writeTheirs(v6);
  // Windows has drives in place of colons.
  const names = ["l1.80e+00", ...Deno.build.os === "windows" ? [] : ["mlp_out_24576:v1"]];
  const files: Record<string, Uint8Array<ArrayBuffer>> = {};
  for (const name of names) {
    for (const file of ["cfg.json", "sae_weights.safetensors"]) {
      files[`${name}/${file}`] = await Deno.readFile(join(theirs, file));
    }
  }
  await withHub(files, async (load) => {
    for (const name of names) assertEquals((await load(`someone/thing/${name}`)).dictSize, 3);
  });
});

Deno.test("loadSae: what is no hub id is looked for on disk only", async () => {
  assertEquals(parseHubId("google/gemma-scope-2b-pt-res/layer_12/width_16k"), {
    repository: "google/gemma-scope-2b-pt-res",
    path: "layer_12/width_16k",
  });
  assertEquals(parseHubId("a/b"), { repository: "a/b", path: "" });
  for (
    const id of [
      "a",
      "./a/b",
      "../a/b",
      "/a/b",
      "a/../b",
      "a//b",
      "a/b/",
      "a/b/..",
      "a/b c",
      "a\\b/c",
    ]
  ) {
    assertEquals(parseHubId(id), undefined, id);
    await assertRejects(() => loadSae(id), Error, "there is no such folder or file");
  }
  // A typing error in a path is not asked of the hub.
  await assertRejects(() => loadSae("tests/frmats/sae"), Error, "there is no such folder or file");
});

Deno.test("Gemma Scope: SAEs of the embedding read activations, which are √d times its rows", async () => {
  const folder = join(await Deno.makeTempDir(), "gemma-scope-2b-pt-res");
  const at = async (path: string) => {
    const file = join(folder, path, "params.npz");
    await Deno.mkdir(join(file, ".."), { recursive: true });
    await Deno.copyFile(numpys, file);
    return await loadSae(join(folder, path));
  };
  const plain = await at("layer_3/width_16k/average_l0_6");
  const sae = await at("embedding/width_4k/average_l0_6");
  const scale = Math.sqrt(plain.dModel);
  const close = (found: Float32Array, wanted: Float32Array) =>
    found.forEach((value, at) =>
      assertAlmostEquals(value, wanted[at], 1e-6 * Math.abs(wanted[at]))
    );
  close(sae.wEnc, plain.wEnc.map((w) => w / scale));
  close(sae.wDec, plain.wDec.map((w) => w * scale));
  for (const name of ["bEnc", "bDec", "threshold"] as const) assertEquals(sae[name], plain[name]);
  assertEquals([sae.metadata.hook, plain.metadata.hook], [
    "hook_embed",
    "blocks.3.hook_resid_post",
  ]);
  assertEquals([(sae.metadata.folded as string[]).length, plain.metadata.folded], [1, undefined]);
  // A folder above that happens to have the name does not make it one.
  const other = await at("embedding/layer_3/width_16k/average_l0_6");
  assertEquals(other.wEnc, plain.wEnc);
});
