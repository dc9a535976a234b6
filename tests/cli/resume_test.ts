import { assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { onLastingGpu } from "../../cli/open.ts";
import type { Gpu } from "../../lib/device/gpu.ts";
import { type Checkpoint, DeviceLostError, loadCheckpoint, loadSae, trainSae } from "../../mod.ts";
import { someOf } from "../depth.ts";
import { openOwnGpu, randomMatrix } from "../gpu_helper.ts";
import {
  HOOK,
  MODEL,
  saewing,
  sleep,
  startSaewing,
  withFolder,
  writeCorpus,
} from "./cli_helper.ts";

const SMALL = ["--dict-size", "64", "--k", "4", "--batch-size", "128", "--lr", "1e-3"];

/** `train` on a corpus. */
const onText = (corpus: string, ...more: string[]) => [
  ...["train", "--model", MODEL, "--hook", HOOK, "--text", corpus, "--buffer", "256"],
  ...SMALL,
  ...more,
];

/** Fails unless two runs ended with the same bytes. */
async function assertSameRuns(one: string, other: string): Promise<void> {
  for (const name of ["sae/sae_weights.safetensors", "sae/cfg.json", "metrics.jsonl"]) {
    assertEquals(
      await Deno.readFile(join(one, name)),
      await Deno.readFile(join(other, name)),
      name,
    );
  }
}

async function assertRuns(args: string[], code = 0): Promise<{ stdout: string; stderr: string }> {
  const ran = await saewing(args);
  assertEquals(ran.code, code, ran.stderr);
  return ran;
}

Deno.test("Ctrl-C saves a checkpoint, says how to go on, and the rest follows", async () => {
  await withFolder(async (folder) => {
    const corpus = await writeCorpus(folder);
    const run = join(folder, "run");
    const running = startSaewing(
      onText(corpus, "--steps", "100000", "--checkpoint-every", "3", "--out", run),
    );
    while (!await loadCheckpoint(join(run, "checkpoint"))) await sleep(10);
    running.signal("SIGINT");
    const { code, stdout } = await running.ran;
    assertEquals(code, 130);
    assertStringIncludes(stdout, `saewing train --resume ${run}`);
    const { steps } = (await loadCheckpoint(join(run, "checkpoint")))!;
    const lines = (await Deno.readTextFile(join(run, "metrics.jsonl"))).trim().split("\n");
    assertEquals(lines.map((line) => JSON.parse(line).step), lines.map((_, at) => at + 1));
    assertEquals(lines.length, steps);

    const again = await saewing(onText(corpus, "--out", run));
    assertEquals(again.code, 2);
    assertMatch(again.stderr, /holds an unfinished run: `saewing train --resume .*--overwrite/);

    const total = String(steps + 4);
    const { stdout: said } = await assertRuns(["train", "--resume", run, "--steps", total]);
    assertStringIncludes(said, `continuing after step ${steps}`);
    assertStringIncludes(said, `${total} steps, 4 of them in`);
    const whole = join(folder, "whole");
    await assertRuns(onText(corpus, "--steps", total, "--checkpoint-every", "0", "--out", whole));
    await assertSameRuns(run, whole);
    assertEquals(await loadCheckpoint(join(whole, "checkpoint")), undefined);
  });
});

Deno.test("a run on a store goes on at its place, from an SAE and over epochs too", async () => {
  await withFolder(async (folder) => {
    const corpus = await writeCorpus(folder);
    const store = join(folder, "store");
    await assertRuns([
      ...["harvest", "--model", MODEL, "--hook", HOOK, "--text", corpus, "--out", store],
      ...["--tokens", "700"],
    ]);
    const [first, second, whole] = ["first", "second", "whole"].map((name) => join(folder, name));
    const onStore = ["train", "--activations", store, ...SMALL, "--seed", "7"];
    await assertRuns([...onStore, "--steps", "3", "--out", first]);
    const from = [...onStore, "--initial", join(first, "sae"), "--decay-steps", "0"];
    await assertRuns([...from, "--steps", "4", "--out", second]);
    await assertRuns(["train", "--resume", second, "--steps", "9"]);
    await assertRuns([...from, "--steps", "9", "--out", whole]);
    await assertSameRuns(second, whole);
    // Once more, with nothing left to do.
    await assertRuns(["train", "--resume", second]);
    await assertSameRuns(second, whole);
  });
});

Deno.test("what cannot be resumed is refused, and the run stays as it was", async () => {
  await withFolder(async (folder) => {
    const corpus = await writeCorpus(folder);
    const run = join(folder, "run");
    await assertRuns(onText(corpus, "--steps", "3", "--out", run));
    const before = await Deno.readFile(join(run, "checkpoint/checkpoint.safetensors"));
    const cases: [string[], number, RegExp][] = [
      [["--resume", run, "--lr", "0.1"], 1, /learningRate is 0.1, but the checkpoint's run has/],
      [["--resume", run, "--steps", "2"], 1, /steps is 2, but the checkpoint has taken 3/],
      [["--resume", run, "--steps", "6", "--buffer", "300"], 1, /batch 3 is not the one/],
      [["--resume", run, "--out", folder], 2, /--out does not go with --resume/],
      [["--resume", join(folder, "no")], 2, /no run to resume in .*config.json names no options/],
      [["--resume", run, "--checkpoint-every", "1.5"], 2, /--checkpoint-every is 1.5/],
    ];
    for (const [args, code, message] of cases) {
      const ran = await saewing(["train", ...args]);
      assertMatch(ran.stderr, message);
      assertEquals(ran.code, code, ran.stderr);
    }
    assertEquals(await Deno.readFile(join(run, "checkpoint/checkpoint.safetensors")), before);
    // A finished run makes room for another where that is asked for.
    await assertRuns(["train", "--resume", run, "--steps", "4", "--lr", "1e-3"]);
    await assertRuns(onText(corpus, "--steps", "1", "--out", run), 2);
    assertEquals((await loadCheckpoint(join(run, "checkpoint")))?.steps, 4);
    await assertRuns(onText(corpus, "--steps", "1", "--out", run, "--overwrite"));
    assertEquals((await loadCheckpoint(join(run, "checkpoint")))?.steps, 1);
  });
});

Deno.test("a loss that is not finite ends the run, and what was learned before is saved", async () => {
  await withFolder(async (folder) => {
    const corpus = await writeCorpus(folder);
    const run = join(folder, "run");
    const wild = onText(corpus, "--steps", "5", "--checkpoint-every", "1", "--out", run);
    wild[wild.indexOf("--lr") + 1] = "1e18";
    const { stderr } = await assertRuns(wild, 1);
    assertMatch(
      stderr,
      /not finite at step \d+.*The SAE so far is saved: `--initial .*sae`/,
    );
    assertEquals((await loadSae(join(run, "sae"))).dictSize, 64);
  });
});

Deno.test("a lost device is opened again, and the run continues from its last checkpoint", async () => {
  const options = { architecture: "batchtopk", dictSize: 32, k: 3, steps: 9 } as const;
  const batches = Array.from({ length: 9 }, (_, step) => randomMatrix(step, 40, 10));
  using whole = await openOwnGpu();
  const expected = await trainSae(whole, batches, options);

  let kept: Checkpoint | undefined;
  const said: string[] = [];
  const lasting = {
    open: () => openOwnGpu(),
    steps: () => Promise.resolve(kept?.steps ?? 0),
    say: (text: string) => said.push(text),
  };
  // Lost before the first checkpoint, or after one.
  const losses = someOf([1, 4, 7], 1);
  const kepts = losses.map((step) => String(3 * Math.floor(step / 3)));
  const trained = await onLastingGpu(lasting, (gpu) => {
    const loss = losses.shift();
    const breaking = batches.values().map((batch, at) => {
      if (at === loss) (gpu as Gpu).device.destroy();
      return batch;
    });
    const save = (checkpoint: Checkpoint) => Promise.resolve(void (kept = checkpoint));
    return trainSae(gpu, breaking, { ...options, resume: kept, checkpoint: { every: 3, save } });
  });
  assertEquals(trained, expected);
  assertEquals(said.map((text) => /device was lost.*after step (\d)$/.exec(text)?.[1]), kepts);

  // A device that is lost again and again without a step ends the run.
  let tries = 0;
  await assertRejects(
    () =>
      onLastingGpu({ ...lasting, steps: () => Promise.resolve(0) }, (gpu) => {
        tries++;
        (gpu as Gpu).device.destroy();
        return trainSae(gpu, batches, options);
      }),
    DeviceLostError,
  );
  assertEquals(tries, 2);
});
