import { assert, assertEquals, assertRejects } from "@std/assert";
import { type ClaimOptions, claimPart, readClaim } from "../../lib/files/claim_part.ts";
import { partPaths } from "../../lib/files/part.ts";
import { sleep, withFolder } from "../cli/cli_helper.ts";

const PART = { index: 1, count: 2 };
/** A beat is 25 ms. */
const takeover = 300;

const claim = (out: string, options: ClaimOptions = {}) =>
  claimPart(out, PART, { takeover, ...options });

async function writeClaim(out: string, claim: Record<string, unknown>): Promise<void> {
  const path = partPaths(out, PART).claim;
  await Deno.writeTextFile(`${path}.new`, JSON.stringify(claim));
  await Deno.rename(`${path}.new`, path);
}

async function withParts(use: (out: string, path: string) => Promise<void>): Promise<void> {
  await withFolder(async (out) => {
    await Deno.mkdir(`${out}/parts`);
    await use(out, partPaths(out, PART).claim);
  });
}

Deno.test("a claim names its process, beats while it is held, and goes", () =>
  withParts(async (out, path) => {
    const held = (await claim(out))!;
    const first = readClaim(path)!;
    assertEquals(first.pid, Deno.pid);
    assertEquals(first.host, Deno.hostname());
    for (let beat = 0; beat < 2; beat = readClaim(path)!.beat!) await sleep(5);
    assertEquals(readClaim(path)!.token, first.token);
    await held.check();
    await held[Symbol.asyncDispose]();
    assertEquals(readClaim(path), undefined);
    assertEquals(await Array.fromAsync(Deno.readDir(`${out}/parts`)), []);
  }));

Deno.test("of two at once one has the part, the other waits until it goes", () =>
  withParts(async (out) => {
    let holders = 0;
    let most = 0;
    let waited = 0;
    const work = async () => {
      await using held = await claim(out, { onWait: () => waited++ });
      most = Math.max(most, ++holders);
      await sleep(2 * takeover);
      await held!.check();
      holders--;
    };
    await Promise.all([work(), work(), work()]);
    assertEquals(most, 1);
    assertEquals(waited, 2);
  }));

Deno.test("who waits for a part ends when it is done, or when told to", () =>
  withParts(async (out) => {
    await using _held = await claim(out);
    let done = false;
    const waiting = claim(out, {
      isDone: () => Promise.resolve(done),
      onWait: (claim) => {
        assertEquals(claim!.pid, Deno.pid);
        done = true;
      },
    });
    assertEquals(await waiting, undefined);
    const controller = new AbortController();
    const told = claim(out, { signal: controller.signal, onWait: () => controller.abort("told") });
    await told.then(() => assert(false), (reason) => assertEquals(reason, "told"));
  }));

Deno.test("a beat that stands still is taken over after the takeover time", () =>
  withParts(async (out, path) => {
    await writeClaim(out, { host: "elsewhere", pid: 1, token: "dead", beat: 4 });
    const started = performance.now();
    let waited: unknown;
    await using held = await claim(out, { onWait: (claim) => waited = claim });
    assert(performance.now() - started >= takeover);
    assertEquals(waited, { host: "elsewhere", pid: 1, token: "dead", beat: 4 });
    assertEquals(readClaim(path)!.pid, Deno.pid);
    await held!.check();
  }));

Deno.test("a file that is no claim, half written, is one that stands still", () =>
  withParts(async (out, path) => {
    await Deno.writeTextFile(path, '{"host": "else');
    await using held = await claim(out);
    await held!.check();
  }));

Deno.test("a beat that moves is not taken over, whatever its clock says", () =>
  withParts(async (out, path) => {
    const other = { host: "elsewhere", pid: 1, token: "alive", started: "1999-01-01T00:00:00Z" };
    let beat = 0;
    let lives = true;
    await writeClaim(out, { ...other, beat });
    const beating = (async () => {
      for (; lives; await sleep(50)) await writeClaim(out, { ...other, beat: ++beat });
    })();
    let has = false;
    const waiting = claim(out).then((held) => {
      has = true;
      return held;
    });
    await sleep(3 * takeover);
    assertEquals(has, false);
    assertEquals(readClaim(path)!.token, "alive");
    lives = false;
    await beating;
    await using _held = await waiting;
    assertEquals(has, true);
  }));

Deno.test("a dead process of this host is not waited for", () =>
  withParts(async (out, path) => {
    const child = new Deno.Command(Deno.execPath(), { args: ["--version"], stdout: "null" })
      .spawn();
    await child.status;
    const space = await (async () => {
      await using _held = await claim(out);
      return readClaim(path)!.space;
    })();
    await writeClaim(out, { host: Deno.hostname(), pid: child.pid, space, token: "dead", beat: 1 });
    await using held = await claimPart(out, PART, { takeover: 6000 });
    await held!.check();
    assertEquals(readClaim(path)!.pid, Deno.pid);
  }));

Deno.test("the owner stops when somebody took over, and leaves the claim to them", () =>
  withParts(async (out, path) => {
    const held = (await claim(out))!;
    await writeClaim(out, { host: "elsewhere", pid: 7, token: "new", beat: 0 });
    await assertRejects(
      () => held.check(),
      Error,
      "process 7 on elsewhere took over part 1/2, this process stops",
    );
    assertEquals(held.signal.aborted, true);
    await held[Symbol.asyncDispose]();
    assertEquals(readClaim(path)!.token, "new");
  }));

Deno.test("the owner notices by itself, with its next beat", () =>
  withParts(async (out, path) => {
    const held = (await claim(out))!;
    await Deno.remove(path);
    while (!held.signal.aborted) await sleep(5);
    assert(String(held.signal.reason).includes("somebody removed the claim of part 1/2"));
    await held[Symbol.asyncDispose]();
  }));

Deno.test("of two that take over at once one has the part", () =>
  withParts(async (out) => {
    await writeClaim(out, { host: "elsewhere", pid: 1, token: "dead", beat: 4 });
    let holders = 0;
    let most = 0;
    await Promise.all(Array.from({ length: 4 }, async () => {
      // A beat of 100 ms: each looks that long after its own whose the claim is.
      await using held = await claim(out, { takeover: 1200 });
      most = Math.max(most, ++holders);
      await sleep(50);
      await held!.check();
      holders--;
    }));
    assertEquals(most, 1);
  }));
