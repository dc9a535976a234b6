import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { parse } from "@std/csv";
import { join } from "@std/path";
import { createRandom, initializeSae, type Sae, saveSae } from "../../mod.ts";
import { HOOK, MODEL, saewing, withFolder } from "./cli_helper.ts";

const WORDS = {
  animals: ["cat", "dog", "horse", "bird", "fish", "sheep"],
  numbers: ["one", "two", "seven", "ten", "twenty", "hundred"],
  places: ["London", "France", "Texas", "Rome", "Boston", "Africa"],
};

/** 40 short texts per label, and as labels that mean nothing whether the text's number is even. */
function texts(): { text: string; label: string; none: number }[] {
  const random = createRandom(3);
  return Array.from({ length: 120 }, (_, i) => {
    const label = (["animals", "numbers", "places"] as const)[i % 3];
    const words = Array.from({ length: 6 }, () => WORDS[label][random.below(6)]);
    return { text: `They saw ${words.join(" and ")} .`, label, none: Math.floor(i / 3) % 2 };
  });
}

function tinySae(dictSize: number): Sae {
  const sae = initializeSae({
    ...{ architecture: "batchtopk", dModel: 128, dictSize, k: 8 },
    random: createRandom(dictSize),
  });
  sae.threshold = new Float32Array(dictSize).fill(0.3);
  sae.metadata = { model: MODEL, hook: HOOK, contextSize: 32 };
  return sae;
}

Deno.test("probe tells classes apart, also by few latents, and not where labels mean nothing", async () => {
  await withFolder(async (folder) => {
    const saes = [256, 64].map((size) => join(folder, `m${size}`, "sae"));
    await saveSae(tinySae(256), saes[0]);
    await saveSae(tinySae(64), saes[1]);
    const data = join(folder, "texts.jsonl");
    await Deno.writeTextFile(data, texts().map((each) => JSON.stringify(each)).join("\n"));
    const out = join(folder, "out");
    const run = (...args: string[]) =>
      saewing(["probe", ...saes, "--data", data, "--k", "1,20", "--device", "cpu", ...args]);
    const { code, stdout, stderr } = await run("--ablate", "3,50", "--out", out, "--json");
    assertEquals(code, 0, stderr);
    const result = JSON.parse(stdout.trim().split("\n").at(-1)!);
    assertEquals(result.texts, 120);
    assertEquals(result.saes.map(({ name }: { name: string }) => name), ["m64", "m256"]);
    const share = (probes: { correct: number; tested: number }[]) =>
      probes.reduce((sum, { correct, tested }) => sum + correct / tested, 0) / probes.length;
    const of = (sae: typeof result.saes[number], k: number) =>
      share(sae.probes.filter((probe: { k: number }) => probe.k === k));
    for (const sae of result.saes) {
      assert(of(sae, 20) > 0.8, `${sae.name}: ${of(sae, 20)}`);
      assert(sae.perturbations[1].score > 0.05, JSON.stringify(sae.perturbations));
    }
    const rows = parse(await Deno.readTextFile(join(out, "probes.csv")), { skipFirstRow: true });
    // Two SAEs and the channels with three classes and two k, the whole stream with three classes.
    assertEquals(rows.length, 3 * 6 + 3);
    const whole = rows.filter(({ name }) => name === "whole residual stream");
    assert(share(whole.map((row) => ({ correct: +row.correct!, tested: +row.tested! }))) > 0.9);
    const perturbed = parse(await Deno.readTextFile(join(out, "perturbation.csv")), {
      skipFirstRow: true,
    });
    assertEquals(perturbed.map(({ name, count }) => [name, count]), [
      ...[["m64", "3"], ["m64", "50"], ["m256", "3"], ["m256", "50"]],
    ]);
    const html = await Deno.readTextFile(join(out, "report.html"));
    for (const text of ["Probes on 20 latents", "Targeted perturbation", "animals"]) {
      assertStringIncludes(html, text);
    }
    const plots = (await Array.fromAsync(Deno.readDir(join(out, "plots")))).map(({ name }) => name);
    assertEquals(plots.sort(), [
      ...["perturbation_n3.svg", "perturbation_n50.svg", "probes_k1.svg", "probes_k20.svg"],
    ]);

    const none = await run("--label-field", "none", "--out", join(folder, "none"), "--json");
    assertEquals(none.code, 0, none.stderr);
    const chance = JSON.parse(none.stdout.trim().split("\n").at(-1)!);
    // Two labels: one probe, no perturbation; 24 tests with a standard deviation of 0.1.
    for (const sae of chance.saes) {
      assertEquals([sae.probes.length, sae.perturbations.length], [2, 0]);
      assert(of(sae, 20) < 0.85, `${sae.name}: ${of(sae, 20)}`);
    }
  });
});

Deno.test("probe says what does not fit before any work", async () => {
  await withFolder(async (folder) => {
    const sae = join(folder, "sae");
    await saveSae(tinySae(16), sae);
    const data = join(folder, "texts.csv");
    await Deno.writeTextFile(data, "text,label\na,x\nb,y\n");
    for (
      const [args, message] of [
        [["--data", data], "the SAEs are missing"],
        [[sae], "--data is missing"],
        [[sae, "--data", data, "--k", "1,0"], "--k is 1,0, expected whole numbers from 1 on"],
        [[sae, "--data", data, "--label-field", "class"], 'has no column "class"'],
        [[sae, "--data", data], 'label "x" has 1 texts, expected at least 10'],
      ] as const
    ) {
      const { code, stderr } = await saewing([
        ...["probe", ...args, "--device", "cpu", "--out", join(folder, "out")],
      ]);
      assert(code > 0, stderr);
      assertStringIncludes(stderr, message);
    }
  });
});
