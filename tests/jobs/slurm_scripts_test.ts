// What Slurm's scripts do with exit codes and signals, in a real bash, with stand-ins for Slurm's programs.
import { assert, assertEquals, assertMatch } from "@std/assert";
import { join } from "@std/path";
import type { Work } from "../../lib/jobs/jobs.ts";
import { quoteShell } from "../../lib/jobs/shell_text.ts";
import { jobName, slurmScripts } from "../../lib/jobs/slurm_scripts.ts";
import { sleep, withFolder } from "../cli/cli_helper.ts";
import { runShell } from "../cli/submit_helper.ts";

const workOf = (saewing: string, folder: string, own: Partial<Work> = {}): Work => ({
  ...{ command: "harvest", args: [], out: join(folder, "out"), parts: 4, saewing, folder },
  setup: [],
  ...own,
});

// Ends in order 0.3 s after SIGTERM, as a command that saves; else after a second.
const SAVING = `trap 'echo saving; sleep 0.3; echo saved; exit 143' TERM
echo working
for i in 1 2 3 4 5 6 7 8 9 10; do sleep 0.1; done
echo finished`;

/** Runs a script as a process, sends it signals when the command works, and gives what it printed. */
async function runWithSignals(
  folder: string,
  { signals, seconds = 0, toAll = false }: {
    signals: Deno.Signal[];
    seconds?: number;
    toAll?: boolean;
  },
) {
  await Deno.mkdir(join(folder, "bin"), { recursive: true });
  const write = (name: string, script: string) =>
    Deno.writeTextFile(join(folder, "bin", name), `#!/bin/bash\n${script}\n`, { mode: 0o755 });
  await write("scontrol", 'echo "scontrol $*"');
  await write("work", `echo $$ > ${quoteShell(join(folder, "pid"))}\n${SAVING}`);
  const { run } = slurmScripts(workOf(quoteShell(join(folder, "bin/work")), folder), []);
  const child = new Deno.Command("bash", {
    // Time that has passed since the job's start.
    args: ["-c", `SECONDS=${seconds}\n${run.script}`],
    env: {
      ...{ PATH: `${join(folder, "bin")}:${Deno.env.get("PATH")}` },
      ...{ SLURM_JOB_ID: "7", SLURM_ARRAY_JOB_ID: "7", SLURM_ARRAY_TASK_ID: "2" },
    },
    ...{ stdout: "piped", stderr: "piped" },
  }).spawn();
  let pid = "";
  while (pid === "") {
    await sleep(10);
    pid = (await Deno.readTextFile(join(folder, "pid")).catch(() => "")).trim();
  }
  await sleep(50);
  for (const signal of signals) {
    if (toAll) Deno.kill(Number(pid), signal);
    child.kill(signal);
    await sleep(50);
  }
  const { code, stdout, stderr } = await child.output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  const [first, ...lines] = text(stdout).trim().split("\n");
  assertMatch(first, /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d part 2\/4, job 7 on \S+, start 1$/);
  return { code, lines, stderr: text(stderr) };
}

Deno.test("the command's exit code is the job's; who is last says that it is done", () =>
  withFolder(async (folder) => {
    const done = join(folder, "out/jobs/done");
    await Deno.mkdir(join(folder, "out/jobs"), { recursive: true });
    const isDone = () => Deno.stat(done).then(() => true, () => false);
    for (const code of [0, 1, 2, 3, 127, 130, 143]) {
      const jobs = slurmScripts(workOf(`bash -c 'exit ${code}'`, folder), []);
      const env = { SLURM_ARRAY_TASK_ID: "1", SLURM_JOB_ID: "7" };
      assertEquals((await runShell("bash", jobs.run.script, env)).code, code);
      assertEquals(await isDone(), false);
      assertEquals((await runShell("bash", jobs.merge!.script, env)).code, code);
      assertEquals(await isDone(), code === 0);
      if (code === 0) await Deno.remove(done);
    }
    const gone = slurmScripts(workOf("true", join(folder, "gone")), []).run.script;
    assertEquals((await runShell("bash", gone, {})).code, 1);
  }));

Deno.test("before the time limit the work ends in order, and its task is queued again", () =>
  withFolder(async (folder) => {
    const { code, lines } = await runWithSignals(folder, { signals: ["SIGUSR1"], seconds: 100 });
    assertEquals(lines, [
      ...["working", "saving", "saved", "the time limit is near: queued again"],
      "scontrol requeue 7_2",
    ]);
    assertEquals(code, 143);
  }));

Deno.test("a warning at once, from a limit below the warning's time, stops nothing", () =>
  withFolder(async (folder) => {
    const { code, lines } = await runWithSignals(folder, { signals: ["SIGUSR1", "SIGUSR1"] });
    assertEquals([code, lines], [0, ["working", "finished"]]);
  }));

Deno.test("SIGTERM to all processes, as Slurm sends it, ends the work once and queues nothing", () =>
  withFolder(async (folder) => {
    const { code, lines } = await runWithSignals(folder, { signals: ["SIGTERM"], toAll: true });
    assertEquals([code, lines], [143, ["working", "saving", "saved"]]);
  }));

Deno.test("the user's lines come before the command, and after ours for sbatch", async () => {
  const work = workOf("saewing", "/", { setup: ["greeting=hello", "echo $greeting"] });
  const { run } = slurmScripts({ ...work, saewing: "echo" }, ["--time=1:00:00", "--mem=8G"]);
  const directives = [...run.script.matchAll(/^#SBATCH (.*)$/gm)].map(([, each]) => each);
  assertEquals(directives, [
    ...["--job-name=harvest-out", "--array=1-4", "--requeue", "--open-mode=append"],
    ...["--signal=B:USR1@120", "--time=1:00:00", "--mem=8G"],
  ]);
  const { stdout } = await runShell("bash", run.script.replace("exec echo", "exec env echo"), {});
  assertEquals(stdout.split("\n")[0], "hello");
});

Deno.test("train goes on from its checkpoint when its job starts again", () =>
  withFolder(async (folder) => {
    const args = ["--activations", "acts", "--out", "run"];
    const work = workOf("env echo", folder, {
      command: "train",
      args,
      out: "run",
      parts: undefined,
    });
    const { run, merge } = slurmScripts(work, []);
    assertEquals(merge, undefined);
    assert(!run.script.includes("--array"));
    await Deno.mkdir(join(folder, "run/jobs"), { recursive: true });
    const call = async () => (await runShell("bash", run.script, {})).stdout.split("\n")[1];
    assertEquals(await call(), "train --activations acts --out run");
    await Deno.mkdir(join(folder, "run/checkpoint"));
    await Deno.writeTextFile(join(folder, "run/checkpoint/checkpoint.safetensors"), "");
    assertEquals(await call(), "train --resume run");
  }));

Deno.test("logs lie in the folder of parts, whatever its name; names of jobs are plain", () => {
  const args = (out: string) => {
    const { run, merge } = slurmScripts(workOf("saewing", "/", { out }), []);
    return [run.args, merge!.args].flat();
  };
  assertEquals(args("/a b/100%j"), [
    "--output=/a b/100%%j/parts/%a-of-4.log",
    "--output=/a b/100%%j/jobs/merge.log",
  ]);
  assertEquals(jobName("sweep", "runs/my sweep #2/"), "sweep-my-sweep-2");
  assertEquals(jobName("sweep", "/"), "sweep");
  assertEquals(jobName("sweep", "."), "sweep");
});
