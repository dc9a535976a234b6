// The study's script from text to the explorer, with SAEs so small and short that they show nothing.
import { assert, assertEquals, assertMatch } from "@std/assert";
import { join } from "@std/path";
import { deno, HOOK, MODEL, ROOT, withFolder } from "../cli/cli_helper.ts";

Deno.test("a study runs to its end, continues where it was stopped, and does nothing twice", async () => {
  await withFolder(async (folder) => {
    const probes = join(folder, "probes");
    await Deno.mkdir(probes);
    const texts = Array.from({ length: 36 }, (_, i) => ({
      text: ["the river and the boat", "a judge in the court", "snow on the hill"][i % 3] + ` ${i}`,
      label: ["river", "court", "hill"][i % 3],
      source: String(i >> 1),
    }));
    const lines = texts.map((text) => JSON.stringify(text) + "\n").join("");
    await Deno.writeTextFile(join(probes, "places.jsonl"), lines);
    const text = join(ROOT, "tests/fixtures/corpus.jsonl");
    const study = (...more: string[]) =>
      deno([
        ...["run", "-A", join(ROOT, "examples/study.ts"), MODEL, HOOK, join(folder, "out")],
        ...["--text", text, "--held-out", text, "--probes", probes],
        ...["--sizes", "16,32,64", "--k", "4", "--architectures", "batchtopk,relu"],
        ...["--steps", "12", "--batch-size", "128", "--samples", "400", "--rows", "2"],
        ...["--meta-epochs", "4", "--dashboard-rows", "4", ...more],
      ], folder);
    const commands = ({ code, stdout, stderr }: Awaited<ReturnType<typeof study>>) => {
      assertEquals(code, 0, stderr);
      return [...stdout.matchAll(/^saewing (\S+) /gm)].map(([, command]) => command);
    };
    assertEquals(commands(await study("--until", "saes")), ["harvest", "sweep", "sweep"]);
    assertEquals(commands(await study()), [
      ...["stitch", "stitch", "stitch", "stitch", "meta", "meta", "probe"],
      ...["dashboard", "dashboard", "dashboard", "dashboard", "dashboard", "dashboard", "explore"],
    ]);
    const site = JSON.parse(await Deno.readTextFile(join(folder, "out/site/site.json")));
    assertEquals(site.saes.length, 6);
    assertEquals(
      site.saes.map(({ manifest }: { manifest: { metaLatents: number } }) =>
        manifest.metaLatents > 0
      ),
      [false, false, true, false, false, true],
    );
    assertEquals(commands(await study()), []);

    const tables = join(ROOT, "examples/study_tables.ts");
    const { code, stdout, stderr } = await deno(["run", "-A", tables, join(folder, "out")], folder);
    assertEquals(code, 0, stderr);
    assertEquals([...stdout.matchAll(/^## (.+)$/gm)].map(([, title]) => title), [
      "SAEs",
      "Pairs",
      ...["Shared latents", "Decoder biases"].flatMap((title) =>
        ["stitch-batchtopk", "stitch-relu"].map((stage) => `${title}: ${stage}`)
      ),
      "Claims about meta-SAEs: meta-batchtopk",
      "Claims about meta-SAEs: meta-relu",
      "Mean accuracy of probes: probes-places",
      "Minutes",
    ]);
    assertMatch(stdout, /\| batchtopk_m16_k4_seed0 \| \d\.\d \| 0\.\d{4} \| /);
    // Every number is found in the words beside the verdicts.
    const numbers = stdout.match(/^\| gains of both SAEs [^]*?\n\n/m)![0].trim().split("\n");
    assertEquals(numbers.length, 15);
    const novel = numbers.find((row) => row.startsWith("| novel latents | 42.8 % | "))!;
    assertEquals([...novel.matchAll(/ \d\S* %/g)].length, 1 + 6, novel);

    const examples = await deno(
      ["run", "-A", join(ROOT, "examples/study_examples.ts"), join(folder, "out")],
      folder,
    );
    assertEquals(examples.code, 0, examples.stderr);
    assertEquals([...examples.stdout.matchAll(/^## (.+)$/gm)].map(([, title]) => title).sort(), [
      ...["batchtopk", "relu"].flatMap((family) => [
        ...[`${family}, 16 → 32 latents`, `${family}, 32 → 64 latents`],
        `${family}, meta-latents of 64 latents`,
      ]),
    ]);
    assertMatch(
      examples.stdout,
      /^- \d+ \(.+\): MSE -?\d\S*; nearest \d+ \(.+\), cosine -?\d\.\d\d$/m,
    );
    assertMatch(examples.stdout, /^- meta-latent \d+, \d+ latents: \d+ \(/m);

    const wrong = await deno(["run", "-A", join(ROOT, "examples/study.ts"), MODEL], folder);
    assertEquals(wrong.code, 2);
    assertMatch(wrong.stderr, /^expected MODEL HOOK OUT/);
    const until = await study("--until", "harvest");
    assertEquals(until.code, 2);
    assertMatch(until.stderr, /^--until is "harvest", expected one of activations, pilot, /);
    const list = await Deno.readTextFile(join(folder, "out/saes.json"));
    // Three sizes, a second seed, and for BatchTopK two other k.
    assertEquals(JSON.parse(list).length, 6 + 4);
    assert(JSON.parse(list).every(({ seed }: { seed: number }) => [0, 1, 2, 101].includes(seed)));
  });
});
