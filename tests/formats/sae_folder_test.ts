import { assert, assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import fc from "fast-check";
import { loadSae } from "../../lib/formats/load_sae.ts";
import { saveSae } from "../../lib/formats/sae_folder.ts";
import type { Architecture } from "../../lib/sae/architectures/own_options.ts";
import { ARCHITECTURES } from "../../lib/sae/architectures/registry.ts";
import type { InputNormalization, Sae } from "../../lib/sae/sae.ts";
import { assertClose } from "../gpu_helper.ts";
import { infer } from "../oracles/inference.ts";
import { makeSae } from "./sae_helper.ts";

Deno.test("saveSae and loadSae: every SAE comes back bit by bit", async () => {
  const folder = await Deno.makeTempDir();
  const metadata = fc.record({
    model: fc.option(fc.string()),
    hook: fc.oneof(fc.string(), fc.integer()),
    contextSize: fc.oneof(fc.nat(), fc.constant("many")),
    prependBos: fc.boolean(),
    model_name: fc.string(),
    note: fc.dictionary(fc.string().filter((key) => key !== "__proto__"), fc.nat()),
  }, { requiredKeys: [] });
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...ARCHITECTURES),
      fc.constantFrom<InputNormalization>(
        "none",
        "layer_norm",
        "expected_average_only_in",
        "constant_norm_rescale",
      ),
      fc.integer({ min: 1, max: 70 }),
      fc.integer({ min: 1, max: 90 }),
      fc.boolean(),
      metadata,
      async (architecture, inputNormalization, d, m, subtractDecoderBias, metadata) => {
        const sae = {
          ...makeSae(architecture, d, m, d * m),
          inputNormalization,
          subtractDecoderBias,
          metadata,
        };
        sae.wEnc[0] = -0;
        sae.wDec[0] = 1e-45;
        await saveSae(sae, folder);
        const loaded = await loadSae(folder);
        assertEquals(loaded, sae);
        assert(Object.is(loaded.wEnc[0], -0));
      },
    ),
    { numRuns: 40 },
  );
  const names = (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name).sort();
  assertEquals(names, ["cfg.json", "sae_weights.safetensors"]);
});

Deno.test("saveSae: the factor of expected_average_only_in is in the weights that others read", async () => {
  const folder = await Deno.makeTempDir();
  const kind = { inputNormalization: "expected_average_only_in", inputScale: 0.3 } as const;
  for (const architecture of ARCHITECTURES) {
    const sae: Sae = { ...makeSae(architecture, 7, 9), ...kind };
    await saveSae(sae, folder);
    const loaded = await loadSae(folder);
    // Twice a rounding: one where it is folded, one where it is taken out.
    const names = ["wEnc", "wDec", "bDec"] as const;
    for (const name of names) {
      sae[name].forEach((value, at) =>
        assert(Math.abs(loaded[name][at] / value - 1) <= 2 ** -22, `${name}[${at}]`)
      );
    }
    const { wEnc, wDec, bDec } = sae;
    assertEquals({ ...loaded, wEnc, wDec, bDec }, sae);
    // SAELens sees the same function, without a normalisation.
    const cfgPath = join(folder, "cfg.json");
    const cfg = JSON.parse(await Deno.readTextFile(cfgPath));
    assertEquals(cfg.normalize_activations, "none");
    const { saewing } = cfg.metadata;
    assertEquals(saewing.inputScale, 0.3);
    delete cfg.metadata.saewing;
    await Deno.writeTextFile(cfgPath, JSON.stringify({ ...cfg, metadata: {} }));
    const theirs = await loadSae(folder);
    assertEquals(theirs.inputNormalization, "none");
    const x = { data: new Float32Array(21).map((_, at) => Math.sin(at)), rows: 3, cols: 7 };
    if (architecture === "relu" || architecture === "jumprelu") {
      const [own, other] = [infer(sae, x), infer(theirs, x)];
      assertEquals(other.codes.latents, own.codes.latents);
      assertClose(other.reconstruction, own.reconstruction, architecture, 1e-5);
    }
    const bad: [unknown, unknown, string][] = [
      [-1, "none", "metadata.saewing.inputScale is -1, expected a number above 0"],
      ["1", "none", 'metadata.saewing.inputScale is "1", expected a number above 0'],
      [2, "layer_norm", 'normalize_activations is "layer_norm", expected none beside'],
    ];
    for (const [inputScale, normalize_activations, text] of bad) {
      const metadata = { ...cfg.metadata, saewing: { ...saewing, inputScale } };
      const changed = { ...cfg, normalize_activations, metadata };
      await Deno.writeTextFile(cfgPath, JSON.stringify(changed));
      await assertRejects(() => loadSae(folder), Error, text);
    }
  }
});

Deno.test("saveSae: a matrix longer than one piece is transposed whole", async () => {
  const folder = await Deno.makeTempDir();
  const sae = makeSae("relu", 37, 70_001);
  await saveSae(sae, folder);
  assertEquals((await loadSae(join(folder, "cfg.json"))).wEnc, sae.wEnc);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("saveSae: cfg.json is what SAELens 6 reads", async () => {
  const folder = join(await Deno.makeTempDir(), "new", "folder");
  const metadata = { model: "gpt2", hook: "blocks.1.hook_resid_pre", contextSize: 128, tokens: 9 };
  await saveSae({ ...makeSae("batchtopk"), metadata }, folder);
  assertEquals(JSON.parse(await Deno.readTextFile(join(folder, "cfg.json"))), {
    architecture: "jumprelu",
    d_in: 3,
    d_sae: 5,
    dtype: "float32",
    device: "cpu",
    apply_b_dec_to_input: true,
    normalize_activations: "none",
    reshape_activations: "none",
    metadata: {
      sae_lens_version: "6.18.0",
      model_name: "gpt2",
      hook_name: "blocks.1.hook_resid_pre",
      context_size: 128,
      model_from_pretrained_kwargs: {},
      training_architecture: "batchtopk",
      training_architecture_details: { k: 0.75 },
      saewing: { version: 1, architecture: "batchtopk", k: 0.75, metadata },
    },
  });
  await saveSae(makeSae("topk"), folder);
  const topk = JSON.parse(await Deno.readTextFile(join(folder, "cfg.json")));
  assertEquals([topk.architecture, topk.k, topk.rescale_acts_by_decoder_norm], ["topk", 1, false]);
});

Deno.test("saveSae: what cannot be saved says why, and leaves nothing", async () => {
  const folder = await Deno.makeTempDir();
  const refused = (change: Partial<Sae>, error: string, architecture: Architecture = "relu") =>
    assertRejects(
      () => saveSae({ ...makeSae(architecture), ...change }, join(folder, "sae")),
      Error,
      error,
    );
  await refused(
    { threshold: undefined },
    "cannot encode a single sample. Estimate one",
    "batchtopk",
  );
  await refused({ threshold: undefined }, "for a jumprelu SAE", "jumprelu");
  await refused({ threshold: new Float32Array(5) }, "a relu SAE has none");
  await refused({ k: NaN }, "k is NaN, expected a whole number from 1 to dictSize = 5", "topk");
  await refused({ k: 1.5 }, "k is 1.5", "topk");
  await refused({ wEnc: new Float32Array(14) }, "wEnc has 14 numbers, expected 15");
  await refused({ bDec: new Float32Array([1, NaN, 1]) }, "bDec[1] is NaN, expected a number");
  assertEquals(await Array.fromAsync(Deno.readDir(folder)), []);
  const file = join(folder, "file");
  await Deno.writeTextFile(file, "");
  await assertRejects(() => saveSae(makeSae("relu"), file), Error, "expected a folder");
  await assertRejects(
    () => saveSae(makeSae("relu"), join(file, "sae")),
    Error,
    "expected a folder",
  );
  await Deno.mkdir(join(folder, "sae", "cfg.json"), { recursive: true });
  await assertRejects(() => saveSae(makeSae("relu"), join(folder, "sae")), Error, "cfg.json");
});
