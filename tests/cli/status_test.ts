import { assertEquals, assertMatch } from "@std/assert";
import { join } from "@std/path";
import { claimPart } from "../../lib/files/claim_part.ts";
import { writePartRecord } from "../../lib/files/part_record.ts";
import { withFolder } from "./cli_helper.ts";
import { type Answers, runWithSlurm } from "./submit_helper.ts";

/** Five parts in all states: done, running, failed, failed, waiting. */
async function withParts(use: (out: string) => Promise<void>): Promise<void> {
  await withFolder(async (out) => {
    const log = (part: number, text: string) =>
      Deno.writeTextFile(join(out, `parts/${part}-of-5.log`), text);
    await Deno.mkdir(join(out, "parts/1-of-5"), { recursive: true });
    await Deno.writeTextFile(join(out, "parts/1-of-5/store.json"), "{}");
    const part = { index: 1, count: 5 };
    const about = { command: "harvest", part, options: {}, result: {} };
    await writePartRecord(out, { ...about, names: ["store.json"] });
    await log(1, "start\n4096 activations in acts\n");
    await log(2, "start\nharvest 20 of 400\n");
    await log(3, "start\nsaewing harvest: t.txt is missing\n");
    await Deno.writeTextFile(join(out, "parts/4-of-5.done.json"), "{");
    await using _claim = await claimPart(out, { index: 2, count: 5 });
    await use(out);
  });
}

const submitted = (out: string) =>
  Deno.mkdir(join(out, "jobs"), { recursive: true }).then(() =>
    Deno.writeTextFile(
      join(out, "jobs/submitted.json"),
      JSON.stringify({
        ...{ format: "saewing jobs", version: 1, command: ["harvest"], parts: 5 },
        ...{ run: "12", merge: "13" },
      }),
    )
  );

Deno.test("status says how far parts are, from the folder alone", () =>
  withParts(async (out) => {
    const { code, stdout, calls } = await runWithSlurm(["status", out], () => undefined);
    assertEquals([code, calls], [0, []]);
    const [head, ...lines] = stdout.trimEnd().split("\n");
    assertEquals(head, `${out}, 5 parts: 1 waiting, 1 running, 2 failed, 1 done`);
    assertMatch(lines[0], /^ {2}1\/5 {2}done {5,}4096 activations in acts$/);
    assertMatch(lines[1], /^ {2}2\/5 {2}running {2}\S+ at \d\d:\d\d:\d\d {2}harvest 20 of 400$/);
    assertMatch(lines[2], /^ {2}3\/5 {2}failed {3,}saewing harvest: t.txt is missing$/);
    assertMatch(lines[3], /^ {2}4\/5 {2}failed {3,}.*4-of-5\.done\.json/);
    assertEquals(lines[4], "  5/5  waiting");
    const json = await runWithSlurm(["status", out, "--json"], () => undefined);
    const { type, waiting, running, failed, done, parts } = JSON.parse(json.stdout);
    assertEquals([type, waiting, running, failed, done], ["result", 1, 1, 2, 1]);
    assertEquals(parts[2].part, "3/5");
    assertEquals(parts[2].lastLine, "saewing harvest: t.txt is missing");
  }));

Deno.test("where Slurm is there, status has its states: the queue's before those of accounting", () =>
  withParts(async (out) => {
    await submitted(out);
    const answers: Answers = ([program]) => ({
      sacct: { stdout: "12_1|COMPLETED\n12_2|PENDING\n12_3|FAILED\n12_1.batch|COMPLETED\n" },
      squeue: { stdout: "12_2|RUNNING|None\n12_5|PENDING|Resources\n13|PENDING|Dependency\n" },
    }[program]);
    const { stdout, calls } = await runWithSlurm(["status", out], answers);
    assertEquals(calls.map(([program]) => program), ["sacct", "squeue"]);
    assertMatch(stdout, /1\/5 {2}done {5,}COMPLETED {2,}4096/);
    assertMatch(stdout, /2\/5 {2}running {2}\S+ at \S+ {2}RUNNING {2,}harvest 20/);
    assertMatch(stdout, /3\/5 {2}failed {5,}FAILED /);
    assertMatch(stdout, /5\/5 {2}waiting {5,}PENDING \(Resources\)\n/);
    assertMatch(stdout, / {2}merge {2}not done {2}PENDING \(Dependency\)\n$/);
    // Accounting that is not configured, or a queue that has forgotten all, is no error.
    const silent = await runWithSlurm(["status", out], () => ({ code: 1, stderr: "disabled" }));
    assertEquals(silent.code, 0);
    assertMatch(silent.stdout, /3\/5 {2}failed {3,}saewing harvest/);
  }));

Deno.test("parts that no process has begun are waiting; a folder without any is an error", () =>
  withFolder(async (out) => {
    const { code, stderr } = await runWithSlurm(["status", out]);
    assertEquals(code, 1);
    assertMatch(stderr, /has no parts, and nothing was submitted from it: expected the output/);
    assertEquals((await runWithSlurm(["status"])).code, 2);
    await submitted(out);
    const { stdout } = await runWithSlurm(["status", out], () => undefined);
    assertMatch(stdout, /5 parts: 5 waiting, 0 running, 0 failed, 0 done/);
    const path = join(out, "jobs/submitted.json");
    const whole = JSON.parse(await Deno.readTextFile(path));
    const damaged = [{}, { ...whole, parts: 1e9 }, { ...whole, parts: "5" }, {
      ...whole,
      command: 5,
    }];
    for (const each of damaged) {
      await Deno.writeTextFile(path, JSON.stringify(each));
      assertMatch((await runWithSlurm(["status", out])).stderr, /does not say which jobs were/);
    }
  }));
