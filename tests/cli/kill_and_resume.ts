// Real training processes, killed with SIGKILL at random moments and resumed until they are done.
import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { createRandom, type Random } from "../../lib/random.ts";
import { HOOK, MODEL, ROOT, withFolder, writeCorpus } from "./cli_helper.ts";

const RESULTS = ["sae/sae_weights.safetensors", "sae/cfg.json", "metrics.jsonl", "metrics.csv"];

/**
 * Kills runs on a device so many times; fails unless each ends with the bytes of one that ran through. The seed
 * of the moments is printed.
 */
export async function killAndResume(
  device: string,
  { kills, dictSize, steps }: { kills: number; dictSize: number; steps: number },
): Promise<void> {
  const seed = Date.now() % 2 ** 31;
  const random = createRandom(seed);
  await withFolder(async (folder) => {
    const corpus = await writeCorpus(folder);
    const train = [
      ...[
        "train",
        "--model",
        MODEL,
        "--hook",
        HOOK,
        "--text",
        corpus,
        "--dict-size",
        String(dictSize),
      ],
      ...[
        "--k",
        "4",
        "--steps",
        String(steps),
        "--batch-size",
        "128",
        "--buffer",
        "512",
        "--lr",
        "1e-3",
      ],
      ...["--seed", "3", "--dead-after", "2", "--checkpoint-every", "2"],
      ...["--device", device],
    ];
    const whole = join(folder, "whole");
    const started = performance.now();
    assertEquals((await start([...train, "--out", whole]).status).code, 0);
    const duration = performance.now() - started;
    const expected = await results(whole);
    assert(/"deadLatents":[1-9]/.test(new TextDecoder().decode(expected[2])), "no latent is dead");

    const counts = { kills: 0, writing: 0, beforeCheckpoint: 0, runs: 0 };
    while (counts.kills < kills) {
      const run = join(folder, `run${++counts.runs}`);
      for (let done = false; !done;) {
        const begun = await exists(join(run, "config.json"));
        const child = start(
          begun ? ["train", "--resume", run, "--device", device] : [...train, "--out", run],
        );
        if (counts.kills < kills) {
          // Every other kill waits for a checkpoint that is being written.
          const waits = counts.kills % 2 === 0
            ? leftovers(run, duration, random)
            : sleep(random.uniform() * duration);
          await Promise.race([waits, child.status]);
          try {
            child.kill("SIGKILL");
          } catch {
            // It was done before.
          }
        }
        const { code, signal } = await child.status;
        done = signal === null;
        if (done) {
          assertEquals(code, 0, `resumed after ${counts.kills} kills`);
          continue;
        }
        counts.kills++;
        if (await hasLeftover(run)) counts.writing++;
        if (!await exists(join(run, "checkpoint"))) counts.beforeCheckpoint++;
      }
      for (const [at, bytes] of (await results(run)).entries()) {
        assertEquals(bytes, expected[at], `${RESULTS[at]} after ${counts.kills} kills`);
      }
      assertEquals(await names(run), await names(whole));
      assertEquals(await names(join(run, "checkpoint")), ["checkpoint.safetensors"]);
      await Deno.remove(run, { recursive: true });
    }
    console.log(
      `${device}, seed ${seed}: ${counts.kills} kills of ${counts.runs} runs, ${counts.writing} of them while a checkpoint was ` +
        `written, ${counts.beforeCheckpoint} before the first; every run ended with the same bytes`,
    );
  });
}

function start(args: string[]): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", join(ROOT, "cli.ts"), ...args, "--json"],
    stdout: "null",
    stderr: "inherit",
  }).spawn();
}

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Waits for a random number of checkpoints to be seen while they are written, and a random moment. */
async function leftovers(run: string, atMost: number, random: Random): Promise<void> {
  const end = performance.now() + atMost;
  for (let left = random.uniform() * 6; left > 0 && performance.now() < end; await sleep(0)) {
    if (await hasLeftover(run)) left--;
  }
}

async function hasLeftover(run: string): Promise<boolean> {
  return (await names(join(run, "checkpoint"))).some((name) => name.startsWith("."));
}

async function names(folder: string): Promise<string[]> {
  try {
    return (await Array.fromAsync(Deno.readDir(folder), ({ name }) => name)).sort();
  } catch {
    return [];
  }
}

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

async function results(run: string): Promise<Uint8Array[]> {
  return await Promise.all(RESULTS.map((name) => Deno.readFile(join(run, name))));
}
