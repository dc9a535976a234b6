import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { parseHubId } from "../../lib/formats/hub_sae.ts";
import { RELEASE_FAMILIES } from "../../lib/formats/release_families.ts";
import { correctionsOf, nearRelease, parseRelease } from "../../lib/formats/sae_releases.ts";
import { createRandom, initializeSae, loadSae, saveSae } from "../../mod.ts";
import { gitHash, serveBytes, startFakeHub } from "../language_model/fake_hub.ts";
import { withFolder } from "../cli/cli_helper.ts";

const place = (name: string) => {
  const { repository, path } = parseRelease(name)!;
  return [repository, path];
};

Deno.test("SAELens releases are repositories of the hub", () => {
  const jb = "jbloom/GPT2-Small-SAEs-Reformatted";
  assertEquals(place("gpt2-small-res-jb"), [jb, ""]);
  assertEquals(place("gpt2-small-res-jb/blocks.8.hook_resid_pre"), [jb, "blocks.8.hook_resid_pre"]);
  const scope = "google/gemma-scope-2b-pt-res";
  assertEquals(place("gemma-scope-2b-pt-res/layer_12/width_16k/average_l0_82"), [
    ...[scope, "layer_12/width_16k/average_l0_82"],
  ]);
  assertEquals(place("gemma-scope-2b-pt-res-canonical/layer_12/width_16k/canonical"), [
    ...[scope, "layer_12/width_16k/average_l0_82"],
  ]);
  // There is none of that width in that layer: its folder is told by the error.
  assertEquals(place("gemma-scope-2b-pt-res-canonical/layer_11/width_262k/canonical"), [
    ...[scope, "layer_11/width_262k/canonical"],
  ]);
  const kinds = [
    ["gpt2-small-resid-post-v5-32k/blocks.3.hook_resid_post", "v5_32k_layer_3.pt"],
    ["pythia-70m-deduped-res-sm/blocks.0.hook_resid_pre", "e-res-sm"],
    ["gpt2-small-mlp-tm/blocks.8.hook_mlp_out", "sae_group_gpt2_blocks.8.hook_mlp_out_24576:v1"],
    [
      "gemma-scope-2-270m-pt-res/resid_post/layer_5_width_16k_l0_big",
      "resid_post/layer_5_width_16k_l0_big",
    ],
    [
      "gemma-scope-2-4b-it-mlp-all/layer_5_width_16k_l0_big",
      "mlp_out_all/layer_5_width_16k_l0_big",
    ],
    ["llama_scope_r1_distill/l3r_800m_openr1_math", "0-Slimpajama-800M-OpenR1-Math-220k/L3R"],
    [
      "sae_bench_gemma-2-2b_topk_width-2pow12_date-1109/blocks.5.hook_resid_post__trainer_5_step_9765",
      "gemma-2-2b_topk_width-2pow12_date-1109/resid_post_layer_5_checkpoints/trainer_5_step_9765",
    ],
  ];
  for (const [name, path] of kinds) assertEquals(place(name)[1], path);
  for (
    const other of ["gpt2-small-res-jb/../x", "toString", "gpt2-small", "a/b", "runs/first/sae"]
  ) assertEquals(parseRelease(other), undefined);
  assertEquals(parseHubId("gpt2-small-res-jb"), undefined, "a release's name is no hub id");
});

Deno.test("releases: every family has a rule that its own example fits, or a reason", () => {
  const names = RELEASE_FAMILIES.flatMap(({ releases }) => [...releases.keys()]);
  assertEquals(new Set(names).size, names.length);
  for (const { releases, refused, format, path, example } of RELEASE_FAMILIES) {
    for (const [release, repository] of releases) {
      assertEquals(parseHubId(repository)?.path, "", repository);
      if (refused !== undefined) assertThrows(() => parseRelease(release), Error, refused);
      else assert(format, release);
    }
    assert(refused ?? [...releases.keys()].some((release) => path(example, release) !== undefined));
  }
  assertEquals(correctionsOf("JoshEngels/Mistral-7B-Residual-Stream-SAEs"), {
    normalize_activations: "constant_norm_rescale",
  });
  assertEquals(correctionsOf("someone/else"), undefined);
});

Deno.test("a name that is nearly one of them is told", () => {
  assertEquals(nearRelease("GPT2_small-res-JB"), "gpt2-small-res-jb");
  assertEquals(nearRelease("gemma-scope-2b"), "gemma-scope-2b-pt-res");
  assertEquals(nearRelease("gemma-scope-2-270m-pt-ress/layer_5"), "gemma-scope-2-270m-pt-res");
  assertEquals(nearRelease("qwen-scope-3-8b-base-w64k-l5O"), "qwen-scope-3-8b-base-w64k-l50");
  assertEquals([nearRelease("runs"), nearRelease("frist/sae"), nearRelease("")], [
    ...[undefined, undefined, undefined],
  ]);
});

Deno.test("loadSae loads an SAE by its release and id; errors say what the name means", async () => {
  await withFolder(async (folder) => {
    const random = createRandom(1);
    const sae = initializeSae({ architecture: "topk", dModel: 8, dictSize: 16, k: 2, random });
    await saveSae(sae, `${folder}/made`);
    const files: Record<string, Uint8Array<ArrayBuffer>> = {};
    for (const name of ["cfg.json", "sae_weights.safetensors"]) {
      files[`/jbloom/GPT2-Small-SAEs-Reformatted/resolve/main/blocks.8.hook_resid_pre/${name}`] =
        await Deno.readFile(`${folder}/made/${name}`);
    }
    await using hub = startFakeHub({
      files: {},
      answer: (asked) =>
        files[asked.path]
          ? serveBytes(files[asked.path], asked, `"${gitHash(files[asked.path])}"`)
          : undefined,
    });
    const options = {
      endpoint: hub.endpoint,
      cacheDir: `${folder}/cache`,
      token: "",
      offline: false,
    };
    const loaded = await loadSae("gpt2-small-res-jb/blocks.8.hook_resid_pre", options);
    assertEquals(loaded.wEnc, sae.wEnc);
    await assertRejects(
      () => loadSae("gemma-scope-2b-pt-res-canonical/layer_12/width_16k/canonical", options),
      Error,
      ". gemma-scope-2b-pt-res-canonical is SAELens's name of google/gemma-scope-2b-pt-res: give it with " +
        "an SAE's id, such as gemma-scope-2b-pt-res-canonical/layer_12/width_16k/canonical, or with a folder",
    );
    await assertRejects(
      () => loadSae("gpt2-small-resjb", options),
      Error,
      "there is no such folder or file. SAELens's release gpt2-small-res-jb is understood here",
    );
  });
});
