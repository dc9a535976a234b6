// What a command is given is checked before its work starts.
import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { join } from "@std/path";
import { checkSpace, saePath } from "../../cli/open.ts";
import { parseArguments } from "../../cli/options.ts";
import { checkEvalText } from "../../cli/source.ts";
import { checkDisk, savedBytes } from "../../lib/formats/check_disk.ts";
import { checkComparable } from "../../lib/stitching/mod.ts";
import { createRandom, initializeSae, type LanguageModel, type Sae, saveSae } from "../../mod.ts";
import { HOOK, MODEL, saewing, withFolder, writeCorpus } from "./cli_helper.ts";

function tinySae(dictSize: number, dModel = 128, metadata: Record<string, unknown> = {}): Sae {
  const random = createRandom(dictSize);
  const sae = initializeSae({ architecture: "topk", dModel, dictSize, k: 2, random });
  return { ...sae, metadata: { model: MODEL, hook: HOOK, contextSize: 32, ...metadata } };
}

Deno.test("--eval-text: a missing file, another field and too little text are told", async () => {
  const model = {
    ...{ id: "letters", bosToken: 0, maxContext: 64 },
    tokenize: (text: string) => new Int32Array(text.length),
  } as unknown as LanguageModel;
  await withFolder(async (folder) => {
    const file = join(folder, "a.jsonl");
    await Deno.writeTextFile(file, '{"text":"seven l"}\n{"other":1}\n');
    const check = (path: string, field: string, length: number) => {
      const args = ["--eval-text", path, "--field", field];
      return checkEvalText(
        parseArguments(args, { values: ["eval-text", "field"], flags: [] }),
        model,
        { contextLength: length, prependBos: true },
      );
    };
    await check(file, "text", 8);
    const missing = join(folder, "none.jsonl");
    const cases: [string, string, number, string][] = [
      [missing, "text", 8, `--eval-text: cannot read ${missing}: there is no such file`],
      [file, "content", 8, `--eval-text: line 1 of ${file} has no field "content"`],
      [file, "text", 9, `--eval-text: line 2 of ${file} has no field "text"`],
    ];
    for (const [path, field, length, error] of cases) {
      await assertRejects(() => check(path, field, length), Error, error);
    }
    await Deno.writeTextFile(file, '{"text":"seven l"}\n');
    await assertRejects(
      () => check(file, "text", 20),
      Error,
      "--eval-text: the corpus has 7 tokens",
    );
  });
});

Deno.test("a disk that is too small for SAEs and checkpoints is told, and the sizes are the files'", async () => {
  await withFolder(async (folder) => {
    const sae = { dModel: 100, dictSize: 1000 };
    const needed = 202_100 * (4 + 2 * 12);
    await checkDisk(folder, [sae], true, [], () => Promise.resolve(needed));
    await checkDisk(folder, [sae], false, [], () => Promise.resolve(202_100 * 4));
    await checkDisk(folder, [sae], true, [], () => Promise.resolve(undefined));
    await assertRejects(
      () => checkDisk(folder, [sae], true, [], () => Promise.resolve(needed - 1)),
      Error,
      "5.4 MiB are free on the disk of",
    );
    // No disk holds 10^18 numbers.
    await assertRejects(
      () => checkSpace(folder, [{ dModel: 1e9, dictSize: 1e9 }], false),
      Error,
      "for the SAE: take another --out or fewer latents",
    );
    const saved = tinySae(64);
    await saveSae(saved, folder);
    const { size } = await Deno.stat(join(folder, "sae_weights.safetensors"));
    assert(size >= savedBytes(saved).sae && size < savedBytes(saved).sae + 4000);
  });
});

Deno.test("an SAE of another width or hook is the one that is blamed, whichever is larger", () => {
  const sae = tinySae(16);
  for (const dictSize of [8, 32]) {
    assertThrows(
      () => checkComparable(tinySae(dictSize, 64), "other", sae, "mine"),
      Error,
      "other cannot be compared with mine: its dModel is 64, expected 128 as mine has",
    );
    assertThrows(
      () =>
        checkComparable(tinySae(dictSize, 128, { hook: "blocks.0.hook_resid_pre" }), "o", sae, "m"),
      Error,
      `o cannot be compared with m: its metadata.hook is "blocks.0.hook_resid_pre", expected`,
    );
  }
});

Deno.test("train tells what does not fit before it trains; stitch orders SAEs by size; a run is its SAE", async () => {
  await withFolder(async (folder) => {
    const corpus = await writeCorpus(folder);
    const train = (out: string, ...more: string[]) =>
      saewing([
        ...["train", "--model", MODEL, "--hook", HOOK, "--text", corpus, "--k", "2"],
        ...["--steps", "100000", "--out", join(folder, out), ...more],
      ]);
    const noText = await train("a", "--dict-size", "16", "--eval-text", join(folder, "none.txt"));
    assertEquals(noText.code, 1);
    assertStringIncludes(noText.stderr, "--eval-text: cannot read");
    const large = await train("b", "--dict-size", "10000000");
    assertEquals(large.code, 1);
    assertStringIncludes(
      large.stderr,
      "training 10000000 latents on batches of 2048 × 128 needs",
    );
    for (const run of ["a", "b"]) {
      assertEquals(await Deno.stat(join(folder, run, "metrics.jsonl")).catch(() => "none"), "none");
    }

    for (const dictSize of [8, 16]) {
      const run = join(folder, `m${dictSize}`);
      await saveSae(tinySae(dictSize), join(run, "sae"));
      await Deno.writeTextFile(join(run, "config.json"), "{}");
      assertEquals(await saePath(run), join(run, "sae"));
      assertEquals(await saePath(join(run, "sae")), join(run, "sae"));
    }
    const { stdout, stderr, code } = await saewing([
      ...["stitch", join(folder, "m16"), join(folder, "m8"), "--text", join(folder, "none.txt")],
      ...["--out", join(folder, "stitch")],
    ]);
    assertEquals(code, 1);
    assertStringIncludes(stdout, "the SAEs are ordered by size: m8, m16");
    assertStringIncludes(stderr, "none.txt");
  });
});
