import { assertEquals, assertRejects } from "@std/assert";
import { parseHubId } from "../../lib/formats/hub_sae.ts";
import { nearRelease, parseRelease } from "../../lib/formats/sae_releases.ts";
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
    ...[scope, "layer_12/width_16k"],
  ]);
  for (
    const other of ["gpt2-small-res-jb/../x", "toString", "gpt2-small", "a/b", "runs/first/sae"]
  ) assertEquals(parseRelease(other), undefined);
  assertEquals(parseHubId("gpt2-small-res-jb"), undefined, "a release's name is no hub id");
});

Deno.test("a name that is nearly one of them is told", () => {
  assertEquals(nearRelease("GPT2_small-res-JB"), "gpt2-small-res-jb");
  assertEquals(nearRelease("gemma-scope-2b"), "gemma-scope-2b-pt-res");
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
        "a folder of that repository, such as google/gemma-scope-2b-pt-res/FOLDER; SAELens's canonical",
    );
    await assertRejects(
      () => loadSae("gpt2-small-resjb", options),
      Error,
      "there is no such folder or file. SAELens's release gpt2-small-res-jb is understood here",
    );
  });
});
