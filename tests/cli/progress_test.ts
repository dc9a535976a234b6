// Progress by time, with a clock of the test's own.
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import fc from "fast-check";
import { createOutput } from "../../cli/output.ts";
import { createMeter } from "../../cli/output.ts";
import { testIo } from "./main_helper.ts";

/** A clock that stands still until it is moved; timers fire as it passes their time. */
function fakeClock() {
  let now = 0;
  const timers = new Set<{ every: number; next: number; call: () => void }>();
  return {
    now: () => now,
    timers,
    every(every: number, call: () => void): Disposable {
      const timer = { every, next: now + every, call };
      timers.add(timer);
      return { [Symbol.dispose]: () => void timers.delete(timer) };
    },
    pass(milliseconds: number) {
      const end = now + milliseconds;
      for (;;) {
        const [first] = [...timers].filter(({ next }) => next <= end)
          .sort((a, b) => a.next - b.next);
        if (!first) break;
        now = first.next;
        first.next += first.every;
        first.call();
      }
      now = end;
    },
  };
}

Deno.test("a meter tells share and time left by the rate of the phase", () => {
  const clock = fakeClock();
  const meter = createMeter(clock.now);
  assertEquals([meter.line(), meter.secondsLeft()], [undefined, undefined]);
  meter.update({ phase: "training", done: 0, total: 400 });
  assertEquals(meter.line(), "training  0 %  0 of 400  0 s so far");
  clock.pass(10_000);
  meter.update({ phase: "training", done: 100, total: 400 }, "step 100");
  assertEquals(meter.line(), "training  25 %  step 100  30 s left");
  // Between updates the time left becomes less, and never less than nothing.
  clock.pass(4000);
  assertEquals(meter.secondsLeft(), 26);
  clock.pass(60_000);
  assertEquals(meter.secondsLeft(), 0);
});

Deno.test("a meter leaves out what a phase had before, and begins anew with each", () => {
  const clock = fakeClock();
  const meter = createMeter(clock.now);
  // A run that is resumed at step 300.
  meter.update({ phase: "training", done: 300, total: 400 });
  assertEquals(meter.secondsLeft(), undefined);
  clock.pass(5000);
  meter.update({ phase: "training", done: 310, total: 400 });
  assertEquals(meter.secondsLeft(), 45);
  meter.update({ phase: "measuring", done: 0, total: 10 });
  assertEquals(meter.line(), "measuring  0 %  0 of 10  0 s so far");
  clock.pass(1000);
  meter.update({ phase: "measuring", done: 1, total: 10 });
  assertEquals(meter.secondsLeft(), 9);
  // The same phase from its beginning, of the next SAE.
  meter.update({ phase: "measuring", done: 0, total: 10 });
  assertEquals(meter.secondsLeft(), undefined);
  meter.update({ phase: "harvest", done: 5 });
  clock.pass(2500);
  assertEquals(meter.line(), "harvest  5  2 s so far");
  meter.update({ phase: "none", done: 0, total: 0 });
  assertEquals(meter.line(), "none  100 %  0 of 0  0 s so far");
});

Deno.test("lines come at least every two seconds, however updates come", () => {
  fc.assert(fc.property(
    fc.array(fc.integer({ min: 0, max: 30_000 }), { minLength: 1, maxLength: 40 }),
    (pauses) => {
      const clock = fakeClock();
      const times: number[] = [];
      const { io } = testIo({}, {
        now: clock.now,
        every: clock.every,
        printError: () => void times.push(clock.now()),
      });
      using output = createOutput(io);
      pauses.forEach((pause, done) => {
        output.progress({ phase: "training", done, total: pauses.length });
        clock.pass(pause);
      });
      times.push(clock.now());
      for (let i = 1; i < times.length; i++) assert(times[i] - times[i - 1] <= 2000);
      // A log is not flooded either.
      const spacing = times.slice(0, -1).map((time, i) => time - (times[i - 1] ?? -Infinity));
      assert(spacing.every((milliseconds) => milliseconds >= 1500));
    },
  ));
});

/** What an output of a terminal writes. */
function terminalOf(columns: number, colour: boolean) {
  const clock = fakeClock();
  let text = "";
  const { io, written } = testIo({}, {
    now: clock.now,
    every: clock.every,
    colour,
    terminal: { columns: () => columns, write: (more) => void (text += more) },
  });
  return { clock, io, written, text: () => text };
}

Deno.test("a terminal's line is rewritten, cut to its width, and cleared before text and at the end", () => {
  const { clock, io, written, text } = terminalOf(24, false);
  {
    using output = createOutput(io);
    output.progress({ phase: "training", done: 1, total: 4 });
    assertEquals(text(), "\r\x1b[Ktraining  25 %  1 of 4 ");
    output.progress({ phase: "training", done: 2, total: 4 });
    assertEquals(text().match(/training/g)!.length, 1);
    clock.pass(1000);
    assertEquals(text().match(/training/g)!.length, 2);
    output.say("done");
    assert(text().endsWith("\r\x1b[K"));
    output.progress({ phase: "measuring", done: 1, total: 4 });
    clock.pass(2000);
    assert(text().endsWith("measuring  25 %  1 of 4"), text());
  }
  assert(text().endsWith("\r\x1b[K"));
  assertEquals(written, { stdout: "done\n", stderr: "" });
  assertEquals(clock.timers.size, 0);
});

Deno.test("colour on terminals that take it only", () => {
  for (const colour of [true, false]) {
    const { io, written, text } = terminalOf(80, colour);
    using output = createOutput(io);
    output.progress({ phase: "training", done: 1, total: 4 });
    output.warn("loss rises", {});
    assertEquals(text().includes("\x1b[36mtraining\x1b[m  25 %"), colour);
    assertEquals(written.stderr.startsWith("\x1b[33mwarning:\x1b[m "), colour);
  }
});

Deno.test("--quiet shows no progress; results, warnings and text stay", () => {
  for (const json of [true, false]) {
    const clock = fakeClock();
    const { io, written } = testIo({}, { now: clock.now, every: clock.every });
    using output = createOutput(io, { json, quiet: true });
    output.progress({ phase: "training", done: 1, total: 4 }, { data: { step: 1 } });
    clock.pass(60_000);
    output.say("well");
    output.warn("mind", { model: "it" });
    output.result({ steps: 1 });
    assertEquals(
      written,
      json
        ? {
          stdout: '{"type":"warning","message":"mind","model":"it"}\n{"type":"result","steps":1}\n',
          stderr: "",
        }
        : { stdout: "well\n", stderr: "warning: mind\n" },
    );
  }
});

Deno.test("--json: an object for every update with data, by time for others", () => {
  const clock = fakeClock();
  const { io, written } = testIo({}, { now: clock.now, every: clock.every });
  using output = createOutput(io, { json: true });
  for (let step = 1; step <= 3; step++) {
    output.progress({ phase: "training", done: step, total: 3 }, { data: { step } });
  }
  const lines = () => written.stdout.trim().split("\n").map((line) => JSON.parse(line));
  assertEquals(lines().map(({ type, phase, step }) => [type, phase, step]), [
    ["progress", "training", 1],
    ["progress", "training", 2],
    ["progress", "training", 3],
  ]);
  output.progress({ phase: "measuring", done: 0, total: 8 });
  clock.pass(4000);
  output.progress({ phase: "measuring", done: 2, total: 8 });
  clock.pass(1000);
  const last = lines().at(-1);
  assertEquals([last.phase, last.done, last.total], ["measuring", 2, 8]);
  assert(last.secondsLeft <= 12 && last.secondsLeft >= 11);
  assertStringIncludes(written.stdout, '"secondsLeft":');
});

Deno.test("files that are downloaded at the same time are one phase", () => {
  const clock = fakeClock();
  const { io, written } = testIo({}, { now: clock.now, every: clock.every });
  using output = createOutput(io);
  const size = 2 ** 20;
  output.download({ phase: "a", done: 0, total: 3 * size });
  clock.pass(2000);
  output.download({ phase: "b", done: size, total: size });
  clock.pass(2000);
  output.download({ phase: "a", done: size, total: 3 * size });
  clock.pass(1500);
  const last = written.stderr.trim().split("\n").at(-1);
  assertEquals(last, "downloading  50 %  2.0 MiB of 4.0 MiB  a  4 s left");
  output.download({ phase: "c", done: 0 });
  clock.pass(2000);
  assertStringIncludes(written.stderr, "downloading  2.0 MiB  c  ");
});

Deno.test("a file of the cache in place of the hub's: one line per repository", () => {
  for (const json of [true, false]) {
    const { io, written } = testIo();
    using output = createOutput(io, { json, quiet: true });
    for (const file of ["a", "b"]) {
      output.cached({ repo: "me/it", file, reason: "no answer\nat all" });
    }
    if (json) assertEquals(JSON.parse(written.stdout).cached, "me/it");
    else {
      assertEquals(
        written.stderr,
        "warning: me/it is read from the cache, the hub cannot be checked for changes: no answer\n",
      );
    }
  }
});

Deno.test("nothing comes after the result: closing a model may take longer than a line waits", () => {
  const clock = fakeClock();
  const { io, written } = testIo({}, { now: clock.now, every: clock.every });
  using output = createOutput(io, { json: true });
  output.progress({ phase: "cross-entropy", done: 4, total: 4 });
  output.result({ nmse: 0.5 });
  clock.pass(60_000);
  assertEquals(JSON.parse(written.stdout.trim().split("\n").at(-1)!), {
    type: "result",
    nmse: 0.5,
  });
});
