// What saveSae writes for SAELens, and what of its configs it writes back.
import { assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { loadSae } from "../../lib/formats/load_sae.ts";
import { saveSae } from "../../lib/formats/sae_folder.ts";
import type { Sae } from "../../lib/sae/sae.ts";
import { makeSae, v6, writeTheirs } from "./sae_helper.ts";

Deno.test("saveSae: what SAELens wants to know is where it looks", async () => {
  const written = async (sae: Sae) => {
    const folder = await Deno.makeTempDir();
    await saveSae(sae, folder);
    assertEquals(await loadSae(folder), sae);
    return JSON.parse(await Deno.readTextFile(join(folder, "cfg.json")));
  };
  const model = async (name: string) =>
    (await written({ ...makeSae("relu"), metadata: { model: name } })).metadata.model_name;
  assertEquals(await model("Xenova/gpt2"), "gpt2");
  assertEquals(await model("Xenova/pythia-70m-deduped"), "EleutherAI/pythia-70m-deduped");
  assertEquals(await model("examples/tiny-gpt2"), "examples/tiny-gpt2");
  const batch = await written({ ...makeSae("matryoshka_batchtopk"), k: 1.25 });
  assertEquals(batch.metadata.model_from_pretrained_kwargs, {});
  assertEquals(batch.metadata.training_architecture, "matryoshka_batchtopk");
  assertEquals(batch.metadata.training_architecture_details, { k: 1.25 });
  // Rows of norm 1 say so; others must not, as SAELens would scale activations by them.
  const topk = makeSae("topk");
  assertEquals((await written(topk)).rescale_acts_by_decoder_norm, false);
  const norms = Float64Array.from(
    { length: 5 },
    (_, i) => Math.hypot(...topk.wDec.subarray(3 * i, 3 * i + 3)),
  );
  const unit = { ...topk, wDec: topk.wDec.map((w, at) => w / norms[Math.floor(at / 3)]) };
  assertEquals((await written(unit)).rescale_acts_by_decoder_norm, true);
  const centring: Sae = {
    ...makeSae("relu"),
    inputTransform: "center",
    metadata: { hook: "blocks.1.hook_resid_pre" },
  };
  assertEquals((await written(centring)).metadata.model_from_pretrained_kwargs, {
    center_writing_weights: true,
  });
});

Deno.test("folders of earlier versions that centre by a note load into the field", async () => {
  const folder = await Deno.makeTempDir();
  const centring: Sae = { ...makeSae("relu"), inputTransform: "center" };
  await saveSae(centring, folder);
  const path = join(folder, "cfg.json");
  const { metadata, ...cfg } = JSON.parse(await Deno.readTextFile(path));
  const rewrite = (saewing: Record<string, unknown>) =>
    Deno.writeTextFile(path, JSON.stringify({ ...cfg, metadata: { ...metadata, saewing } }));
  const { inputTransform: _, ...marker } = metadata.saewing;
  await rewrite({ ...marker, inputTransform: "whiten" });
  await assertRejects(() => loadSae(folder), Error, 'saewing.inputTransform is "whiten"');
  // What was saved with the weights says the same by its own marker: another is damage.
  await rewrite(marker);
  await assertRejects(() => loadSae(folder), Error, "inputTransform");
  await Deno.writeTextFile(
    path,
    JSON.stringify({
      ...cfg,
      metadata: {
        ...metadata,
        saewing: { ...marker, metadata: { activationTransform: "center" } },
      },
    }),
  );
  assertEquals(await loadSae(folder), centring);
});

Deno.test("what a config says and nothing here needs is written back where it was", async () => {
  const saved = async (cfg: Record<string, unknown>) => {
    const sae = await loadSae(await writeTheirs(cfg));
    const folder = await Deno.makeTempDir();
    await saveSae(sae, folder);
    const again = await loadSae(folder);
    assertEquals(again, sae);
    await saveSae(again, folder);
    const { metadata: { saewing: _, ...metadata }, ...found } = JSON.parse(
      await Deno.readTextFile(join(folder, "cfg.json")),
    );
    return { ...found, metadata };
  };
  const metadata = {
    ...v6.metadata,
    ...{ hook_head_index: 3, neuronpedia_id: "gpt2/8", seqpos_slice: [1, null] },
    ...{ exclude_special_tokens: [0, 50256], hf_hook_name: "transformer.h.8" },
    model_from_pretrained_kwargs: { fold_ln: false },
    ...{ training_architecture: "standard", my_note: { deep: [1] } },
  };
  const cfg = { ...v6, normalize_activations: "none", l1_coefficient: 5, metadata };
  assertEquals(await saved(cfg), cfg);
  // The flat form's notes go to where SAELens 6 has them.
  const flat = {
    ...{ d_in: 2, d_sae: 3, model_name: "gpt2-small", lr: 4e-4 },
    ...{ hook_point: "blocks.8.attn.hook_z", hook_point_head_index: 2 },
    sae_lens_training_version: "3.2.1",
  };
  const found = await saved(flat);
  assertEquals(found.reshape_activations, "hook_z");
  assertEquals(found.metadata, {
    ...{ hook_head_index: 2, lr: 4e-4, sae_lens_training_version: "3.2.1" },
    ...{ sae_lens_version: "6.18.0", model_name: "gpt2-small", hook_name: flat.hook_point },
    model_from_pretrained_kwargs: {},
  });
  const shaped = await saved({ ...flat, reshape_activations: "none" });
  assertEquals(shaped.reshape_activations, "none", "what it says itself stays");
  // What trained it is not what it is once it was trained on.
  const trained = { ...metadata, training_architecture: "gated" };
  assertEquals(
    (await saved({ ...cfg, metadata: trained })).metadata.training_architecture,
    undefined,
  );
});
