import { assert, assertEquals, assertMatch } from "@std/assert";
import { Validator } from "@cfworker/json-schema";
import { join } from "@std/path";
import { readSubmitted } from "../../lib/jobs/jobs.ts";
import { ROOT, saewing, withFolder } from "./cli_helper.ts";
import { type Answers, numbering, runShell, runWithSlurm } from "./submit_helper.ts";

const HARVEST = ["submit", "harvest", "--model", "m", "--hook", "blocks.0.hook_resid_pre"];
const harvest = (out: string) => [...HARVEST, "--text", "t.txt", "--out", out];
const stitch = (out: string) => ["submit", "stitch", "a", "b", "--text", "t", "--out", out];

Deno.test("submit hands over an array of parts, and a job that merges after it", () =>
  withFolder(async (folder) => {
    const out = join(folder, "acts");
    const { code, stdout, calls } = await runWithSlurm([
      ...[...harvest(out), "--parts", "4", "--sbatch", "--time=1:00:00 --mem=8G"],
      ...["--setup", "module load x", "--seed=3"],
    ]);
    assertEquals(code, 0);
    const jobs = join(out, "jobs");
    assertEquals(calls, [
      ["sbatch", "--parsable", `--output=${out}/parts/%a-of-4.log`, join(jobs, "run.sh")],
      [
        ...["sbatch", "--parsable", "--dependency=afterok:1", `--output=${jobs}/merge.log`],
        join(jobs, "merge.sh"),
      ],
    ]);
    assertMatch(stdout, /^harvest in 4 parts: job 1; merging them: job 2\n/);
    const run = await Deno.readTextFile(join(jobs, "run.sh"));
    assertMatch(run, /^#SBATCH --time=1:00:00 --mem=8G$/m);
    assertMatch(run, /^module load x$/m);
    assertMatch(run, /^ {2}exec deno run -A cli.ts "\$@"$/m);
    // What is submit's own is not passed on.
    const own = "--text t.txt --out";
    assert(run.includes(`saewing harvest --model m --hook blocks.0.hook_resid_pre ${own}`), run);
    assertMatch(run, / --seed=3 "--part=\$SLURM_ARRAY_TASK_ID\/4"$/m);
    const submitted = readSubmitted(out)!;
    assertEquals([submitted.run, submitted.merge, submitted.parts], ["1", "2", 4]);
  }));

Deno.test("--after chains on the last job of a folder, or on a job's number", () =>
  withFolder(async (folder) => {
    const [acts, runs, pairs] = ["acts", "runs", "pairs"].map((name) => join(folder, name));
    const queue: Answers = numbering();
    const answers: Answers = (call) => call[0] === "squeue" ? { stdout: "2\n" } : queue(call);
    await runWithSlurm([...harvest(acts), "--parts", "2"], answers);
    const { calls } = await runWithSlurm(
      [...harvest(runs), "--parts", "2", "--after", acts],
      answers,
    );
    assertEquals(calls[1].slice(0, 3), ["sbatch", "--parsable", "--dependency=afterok:2"]);
    const ran = await runWithSlurm([...stitch(pairs), "--after", runs, "--after", "99"], answers);
    assertEquals(ran.calls.at(-1)!.slice(0, 3), [
      ...["sbatch", "--parsable", "--dependency=afterok:4:99"],
    ]);
    assertMatch(ran.stdout, /^stitch: job 5\n/);
    // A folder that is done needs no waiting; one whose jobs are gone says so.
    const again = join(folder, "again");
    const lost = await runWithSlurm([...stitch(again), "--after", runs]);
    assertEquals(lost.code, 2);
    assertMatch(lost.stderr, /runs, which is not done, and its job 4 is not queued any more/);
    await Deno.writeTextFile(join(runs, "jobs/done"), "");
    const free = await runWithSlurm([...stitch(again), "--after", runs]);
    assertEquals(free.calls.map((call) => call.slice(0, 3)), [[
      ...["sbatch", "--parsable", `--output=${again}/jobs/run.log`],
    ]]);
  }));

Deno.test("submitting again is refused while jobs are queued, and is free afterwards", () =>
  withFolder(async (folder) => {
    const out = join(folder, "acts");
    const args = [...harvest(out), "--parts", "2"];
    await runWithSlurm(args);
    const queued = await runWithSlurm(args, ([program]) => ({
      stdout: program === "squeue" ? "1\n" : "9\n",
    }));
    assertEquals(queued.code, 2);
    assertMatch(queued.stderr, /are queued or running \(1, 2\): wait for them, or `scancel 1 2`/);
    assert(queued.calls.every(([program]) => program === "squeue"));
    // Slurm forgets jobs after some minutes.
    const forgotten = await runWithSlurm(
      args,
      (call) =>
        call[0] === "squeue"
          ? { code: 1, stderr: "slurm_load_jobs error: Invalid job id specified" }
          : { stdout: "9;cluster\n" },
    );
    assertEquals(forgotten.code, 0, forgotten.stderr);
    assertEquals(readSubmitted(out)!.run, "9");
    const others = await runWithSlurm([...harvest(out), "--parts", "3"]);
    assertEquals(others.code, 0, others.stderr);
    await Deno.writeTextFile(join(out, "parts/1-of-2.log"), "");
    const divided = await runWithSlurm([...harvest(out), "--parts", "3"]);
    assertMatch(divided.stderr, /acts holds parts of 2, and --parts is 3: take the same number/);
  }));

Deno.test("what Slurm refuses leaves no half a run behind", () =>
  withFolder(async (folder) => {
    const out = join(folder, "acts");
    const args = [...harvest(out), "--parts", "2"];
    const none = await runWithSlurm(args, () => undefined);
    assertEquals(none.code, 1);
    assertMatch(none.stderr, /there is no sbatch here: submit on a machine of the cluster/);
    let jobs = 0;
    const { code, stderr, calls } = await runWithSlurm(
      args,
      ([program]) =>
        program !== "sbatch" || jobs++ === 0
          ? { stdout: "5\n" }
          : { code: 1, stderr: "sbatch: error: Batch job submission failed: full\n" },
    );
    assertEquals(code, 1);
    assertMatch(stderr, /sbatch ended with 1: error: Batch job submission failed: full/);
    assertEquals(calls.at(-1), ["scancel", "5"]);
    assertEquals(readSubmitted(out), undefined);
  }));

Deno.test("--dry-run prints scripts and command lines, and writes nothing", () =>
  withFolder(async (folder) => {
    const out = join(folder, "new");
    const { code, stdout, calls } = await runWithSlurm([
      ...[...harvest(out), "--parts", "2", "--dry-run"],
    ]);
    assertEquals([code, calls], [0, []]);
    assertEquals([...stdout.matchAll(/^#!\/bin\/bash$/gm)].length, 2);
    assert(stdout.includes(`sbatch --parsable --output=${out}/parts/%a-of-2.log`), stdout);
    assert(stdout.includes(`sbatch --parsable --dependency=afterok:RUN`), stdout);
    assertEquals(await Array.fromAsync(Deno.readDir(folder)), []);
  }));

Deno.test("what does not fit is refused before anything is submitted", async () => {
  const parts = ["--parts", "2"];
  const cases: [string[], RegExp][] = [
    [["submit"], /the command is missing, expected one that writes a folder: harvest, train/],
    [["submit", "inspect", "m"], /the command is inspect, expected one that writes a folder/],
    [["submit", "submit", "train"], /the command is submit, expected/],
    [[...HARVEST, "--text", "t", ...parts], /--out is missing/],
    [[...harvest("o"), "--parts", "0"], /--parts is 0, expected a whole number from 1 on/],
    [[...harvest("o"), ...parts, "--part", "1/2"], /--part is set for each job: give --parts/],
    [[...harvest("o"), ...parts, "--overwrite"], /--overwrite would begin anew each time/],
    [[...harvest("o"), ...parts, "--tokenz", "4"], /unknown option --tokenz/],
    [[...harvest("o"), ...parts, "--tokens", "none"], /--tokens is none, expected a number/],
    [[...stitch("o"), ...parts], /stitch has no parts: leave --parts out/],
    [[...harvest("o"), ...parts, "--sbatch", "-N 1\nrm"], /--sbatch is "-N 1\\nrm", expected opt/],
    [[...harvest("o"), ...parts, "--sbatch", "mem=8G"], /--sbatch is "mem=8G", expected options/],
    [[...harvest("o"), ...parts, "--sbatch", "--mem=8G --array=1-9"], /--sbatch has --array/],
    [[...harvest("o"), ...parts, "--sbatch", "-d afterok:3"], /--sbatch has -d.*: give --after/],
    [[...harvest("o\\p"), ...parts], /cannot lie in a path with a backslash/],
    [[...harvest("o"), ...parts, "--after", "nowhere"], /--after is nowhere, from which nothing/],
    [[...harvest("o"), ...parts, "--image", "x"], /--image is for --engine kubernetes/],
    [[...harvest("o"), ...parts, "--engine", "pbs"], /--engine is pbs, expected slurm or kuber/],
    [[...harvest("o"), "--engine", "kubernetes"], /--image is missing/],
    [
      [...harvest("o"), "--engine", "kubernetes", "--image", "x", "--volume", "data"],
      /--volume is data, expected CLAIM:PATH/,
    ],
    [
      [...harvest("o"), "--engine", "kubernetes", "--image", "x", "--limit", "cpu"],
      /--limit is cpu, expected NAME=N/,
    ],
    [
      [...harvest("o"), "--engine", "kubernetes", "--image", "x", "--sbatch", "--mem=8G"],
      /--sbatch is for --engine slurm/,
    ],
  ];
  for (const [args, message] of cases) {
    const { code, stderr, calls } = await runWithSlurm(args);
    assertEquals(code, 2, `${args.join(" ")}: ${stderr}`);
    assertMatch(stderr, message);
    assertEquals(calls, []);
  }
});

// A dry run is for people, who do not wait for a job.
Deno.test("no command has an option that submit takes for its own", async () => {
  const optionsOf = async (command: string) =>
    [...(await saewing([command, "--help"])).stdout.matchAll(/^ {2}--([\w-]+)/gm)].map(([, name]) =>
      name
    );
  const own = (await optionsOf("submit")).filter((name) => !["json", "dry-run"].includes(name));
  assert(own.includes("sbatch") && own.includes("parts"));
  const commands = [...(await saewing(["--help"])).stdout.matchAll(/^ {2}(\w+) {2,}/gm)];
  assert(commands.length > 15);
  for (const [, command] of commands) {
    if (command === "submit") continue;
    assertEquals((await optionsOf(command)).filter((name) => own.includes(name)), [], command);
  }
});

const schema = JSON.parse(
  await Deno.readTextFile(join(ROOT, "tests/fixtures/kubernetes/job.schema.json")),
);

/** What the published schema finds wrong. */
function problemsOf(job: unknown): string[] {
  const { errors } = new Validator(schema, "2020-12", false).validate(job);
  return errors.map(({ instanceLocation, error }) => `${instanceLocation}: ${error}`);
}

Deno.test("Kubernetes's manifests fit the published schema of a Job", () =>
  withFolder(async (folder) => {
    const pods = ["--engine", "kubernetes", "--image", "registry/saewing:1"];
    const all = ["--volume", "data:/data", "--volume", "more:/more", "--limit", "nvidia.com/gpu=1"];
    const cases = [
      [...harvest("acts"), "--parts", "4"],
      [...harvest("acts/My_Acts"), "--parts", "1", ...all, "--after", "a", "--after", "b's"],
      [...stitch("pairs"), ...all],
      [...stitch("pairs")],
    ];
    for (const args of cases) {
      const { code, stdout, stderr } = await runWithSlurm([...args, ...pods, "--dry-run"]);
      assertEquals(code, 0, stderr);
      assertEquals(stderr.includes("no --volume"), !args.includes("--volume"));
      const { kind, items } = JSON.parse(stdout);
      assertEquals([kind, items.length], ["List", args.includes("--parts") ? 2 : 1]);
      for (const job of items) {
        assertEquals(problemsOf(job), []);
        assertMatch(job.metadata.name, /^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/);
        // The schema is strict: what it does not know is wrong.
        assert(problemsOf({ ...job, spec: { ...job.spec, completion: 4 } }).length > 0);
        assert(
          problemsOf({ ...job, spec: { ...job.spec, template: {}, parallelism: "4" } }).length > 0,
        );
      }
    }
    const out = join(folder, "acts");
    const args = [...harvest(out), "--parts", "4", ...pods, ...all];
    const { code, stdout, calls } = await runWithSlurm(args);
    assertEquals([code, calls], [0, []]);
    const path = join(out, "jobs/kubernetes.json");
    assert(stdout.includes(`kubectl apply -f ${path}`), stdout);
    const { items: [parts, merge] } = JSON.parse(await Deno.readTextFile(path));
    assertEquals([parts.spec.completionMode, parts.spec.completions], ["Indexed", 4]);
    const [container] = parts.spec.template.spec.containers;
    assertEquals(container.workingDir, "/data");
    assertEquals(container.resources.limits, { "nvidia.com/gpu": "1" });
    const [wait] = merge.spec.template.spec.initContainers;
    // It waits for the last one too.
    await Deno.mkdir(join(out, "parts"));
    for (let i = 1; i <= 3; i++) {
      await Deno.writeTextFile(join(out, `parts/${i}-of-4.done.json`), "");
    }
    const script = wait.command[2].replaceAll("$$", "$").replace("sleep 15", "exit 7");
    assertEquals((await runShell("/bin/sh", script, {})).code, 7);
    await Deno.writeTextFile(join(out, "parts/4-of-4.done.json"), "");
    assertEquals((await runShell("/bin/sh", script, {})).code, 0);
  }));
