// Processes of parts, killed with SIGKILL at random moments and started again: the merged bytes are those of one run.
import { assertEquals } from "@std/assert";
import { join } from "@std/path";
import { createRandom } from "../../lib/random.ts";
import { CORPUS, HOOK, MODEL, ROOT, saewing, withFolder } from "../cli/cli_helper.ts";
import { tree } from "../cli/part_helper.ts";

const kills = Number(Deno.env.get("SAEWING_KILLS") ?? 4);

const reading = ["--model", MODEL, "--hook", HOOK, "--text", CORPUS, "--context", "32"];
const RUNS: Record<string, string[]> = {
  harvest: ["harvest", ...reading, "--tokens", "6000", "--shard-rows", "200"],
  sweep: [
    ...["sweep", ...reading, "--eval-text", CORPUS, "--eval-rows", "2", "--k", "4"],
    ...["--dict-size", "16,32,64", "--batch-size", "64", "--buffer", "128", "--steps", "12"],
    ...["--lr", "1e-3", "--checkpoint-every", "2", "--device", "cpu"],
  ],
};

for (const [name, args] of Object.entries(RUNS)) {
  Deno.test(`parts that are killed at random moments merge to the bytes of one run: ${name}`, () =>
    withFolder(async (folder) => {
      const seed = Date.now() % 2 ** 31;
      const random = createRandom(seed);
      const [whole, out] = [join(folder, "whole"), join(folder, "out")];
      const started = performance.now();
      assertEquals(await runToEnd([...args, "--out", whole]), 0);
      const duration = performance.now() - started;
      let killed = 0;
      for (const part of ["2/2", "1/2"]) {
        for (let tries = 0;; tries++) {
          const child = start([...args, "--out", out, "--part", part]);
          const timer = tries < kills / 2
            ? setTimeout(() => child.kill("SIGKILL"), random.uniform() * duration)
            : undefined;
          const { code, signal } = await child.status;
          clearTimeout(timer);
          if (signal === null) {
            assertEquals(code, 0);
            break;
          }
          killed++;
        }
      }
      const merge = start(["merge", out]);
      const timer = setTimeout(() => merge.kill("SIGKILL"), random.uniform() * duration / 2);
      if ((await merge.status).signal !== null) killed++;
      clearTimeout(timer);
      const { code, stderr } = await saewing(["merge", out]);
      assertEquals(code, 0, stderr);
      assertEquals(await tree(out), await tree(whole));
      console.log(`${name}, seed ${seed}: ${killed} kills`);
    }));
}

function start(args: string[]): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", join(ROOT, "cli.ts"), ...args, "--quiet"],
    env: { SAEWING_TAKEOVER_SECONDS: "2" },
    ...{ stdout: "null", stderr: "inherit" },
  }).spawn();
}

async function runToEnd(args: string[]): Promise<number> {
  return (await start(args).status).code;
}
