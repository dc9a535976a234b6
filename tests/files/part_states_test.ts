import { assertEquals, assertRejects } from "@std/assert";
import { claimPart } from "../../lib/files/claim_part.ts";
import { allParts, type Part, partPaths } from "../../lib/files/part.ts";
import { writePartRecord } from "../../lib/files/part_record.ts";
import { partStates } from "../../lib/files/part_states.ts";
import { withFolder } from "../cli/cli_helper.ts";

const part = (index: number): Part => ({ index, count: 7 });

Deno.test("states of parts are told from their files", () =>
  withFolder(async (out) => {
    assertEquals(await partStates(out), []);
    assertEquals(await partStates(out, { count: 2 }), [
      { part: { index: 1, count: 2 }, state: "waiting", lastLine: undefined },
      { part: { index: 2, count: 2 }, state: "waiting", lastLine: undefined },
    ]);
    for (const each of allParts(7)) {
      await Deno.mkdir(partPaths(out, each).folder, { recursive: true });
    }
    const log = (index: number, text: string) =>
      Deno.writeTextFile(partPaths(out, part(index)).log, text);

    await log(2, `${"x".repeat(9000)}\nharvest 12 %\nsaewing harvest: no such file\n\n`);
    await using _held = await claimPart(out, part(3));
    await log(3, "saewing harvest: an earlier start failed\nharvest 7 %\r");
    const stale = partPaths(out, part(4)).claim;
    await Deno.writeTextFile(stale, `{"token": "t", "host": "elsewhere", "pid": 5, "beat": 1}`);
    await Deno.utime(stale, new Date(Date.now() - 90_000), new Date(Date.now() - 90_000));
    await log(4, "harvest 7 %");
    await writePartRecord(out, {
      ...{ command: "sweep", part: part(5), options: {}, names: [], result: {} },
    });
    await Deno.writeTextFile(partPaths(out, part(6)).done, "{}");
    await log(7, "interrupted: nothing was written\n");

    const states = await partStates(out);
    const short = states.map(({ part, state, host, pid, command, lastLine }) => ({
      ...{ part, state, host, pid, command, lastLine: lastLine?.replace(/^.*parts/, "…") },
    }));
    const none = { host: undefined, pid: undefined, command: undefined };
    assertEquals(short, [
      { part: part(1), state: "waiting", ...none, lastLine: undefined },
      { part: part(2), state: "failed", ...none, lastLine: "saewing harvest: no such file" },
      {
        ...{ part: part(3), state: "running", ...none, host: Deno.hostname(), pid: Deno.pid },
        lastLine: "harvest 7 %",
      },
      {
        ...{ part: part(4), state: "failed", ...none, host: "elsewhere", pid: 5 },
        lastLine: "harvest 7 %",
      },
      { part: part(5), state: "done", ...none, command: "sweep", lastLine: undefined },
      {
        ...{ part: part(6), state: "failed", ...none },
        lastLine: "…/6-of-7.done.json is not the record of part 6/7: format and version are " +
          `[null,null], expected "saewing part" and 1. Remove it and run the part again`,
      },
      {
        ...{ part: part(7), state: "waiting", ...none },
        lastLine: "interrupted: nothing was written",
      },
    ]);
    assertEquals(Math.abs(states[2].lastBeat!.getTime() - Date.now()) < 60_000, true);
    // The longer the takeover time, the longer a claim stands for a living process.
    assertEquals((await partStates(out, { takeover: 200_000 }))[3].state, "running");
    await Deno.mkdir(partPaths(out, { index: 1, count: 2 }).folder);
    await assertRejects(() => partStates(out), Error, "holds parts of 2 and of 7");
  }));
