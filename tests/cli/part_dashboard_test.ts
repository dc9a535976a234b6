import { existsSync } from "node:fs";
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { main } from "../../cli.ts";
import { partPaths } from "../../lib/files/part.ts";
import { createRandom, initializeSae, type Sae, saveSae } from "../../mod.ts";
import { CORPUS, HOOK, MODEL, withFolder } from "./cli_helper.ts";
import { testIo } from "./main_helper.ts";
import { ENV, fails, ok, tree } from "./part_helper.ts";

function tinySae(dictSize: number, seed: number): Sae {
  const sae = initializeSae({
    ...{ architecture: "batchtopk", dModel: 128, dictSize, k: 4 },
    random: createRandom(seed),
  });
  sae.threshold = new Float32Array(dictSize).fill(0.6);
  sae.metadata = { model: MODEL, hook: HOOK, contextSize: 32 };
  return sae;
}

Deno.test("parts of dashboards merge to the bytes of one pass, pages included", () =>
  withFolder(async (folder) => {
    const [whole, out] = [join(folder, "whole"), join(folder, "out")];
    const [sae, other] = [join(folder, "sae"), join(folder, "other")];
    await saveSae(tinySae(40, 1), sae);
    await saveSae(tinySae(12, 2), other);
    // 100 rows are seven calls of the model.
    const make = (to: string) => [
      ...["dashboard", sae, "--text", CORPUS, "--examples", "100", "--out", to, "--quiet"],
      ...["--top", "3", "--samples", "2", "--with", other, "--latents", "1,3,8,21", "--pages"],
      ...["--neuronpedia"],
    ];
    await ok(make(whole));
    await ok([...make(out), "--part", "2/2"]);
    await fails(["merge", out], 1, "part 1/2: it is not finished: run it with --part 1/2");

    // Stopped when something was found, it goes on from there. By this clock what was found is kept at each call.
    const paths = partPaths(out, { index: 1, count: 2 });
    const progress = join(paths.folder, "progress.safetensors");
    let time = 0;
    let sent = false;
    const { io, interrupt } = testIo(ENV, {
      now() {
        if (!sent && existsSync(progress)) {
          sent = true;
          interrupt(143);
        }
        return time += 1e6;
      },
    });
    const first = [...make(out), "--json", "--part", "1/2"];
    assertEquals([await main(first, io), existsSync(progress)], [143, true]);
    await saveSae(tinySae(40, 5), sae);
    await fails(
      first,
      2,
      "was begun with another SAE, text or latents: remove it, or take another",
    );
    await saveSae(tinySae(40, 1), sae);
    const again = await ok(first);
    assertStringIncludes(again.stdout, '"before":false');
    assertEquals(
      await Array.fromAsync(Deno.readDir(paths.folder), ({ name }) => name),
      ["state.safetensors"],
    );

    await saveSae(tinySae(40, 5), sae);
    await fails(["merge", out], 1, `part 1/2 is of another SAE than ${sae} holds now`);
    await saveSae(tinySae(40, 1), sae);
    for (let twice = 0; twice < 2; twice++) {
      await ok(["merge", out]);
      assertEquals(await tree(out), await tree(whole));
    }
    assert("pages/latent-3.html" in await tree(out));
    await fails(
      [...make(join(folder, "more")), "--part", "4/3"],
      2,
      `--part: a part is "4/3", expected i/n`,
    );
  }));

Deno.test("parts without rows of their own are parts too", () =>
  withFolder(async (folder) => {
    const [whole, out, sae] = ["whole", "out", "sae"].map((name) => join(folder, name));
    await saveSae(tinySae(12, 1), sae);
    const make = (to: string) => [
      ...["dashboard", sae, "--text", CORPUS, "--examples", "20", "--out", to, "--quiet"],
    ];
    await ok(make(whole));
    for (const part of ["1/4", "2/4", "3/4", "4/4"]) await ok([...make(out), "--part", part]);
    await ok(["merge", out]);
    assertEquals(await tree(out), await tree(whole));
  }));
