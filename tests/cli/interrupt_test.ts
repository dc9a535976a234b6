// Commands that are told to end while they measure, and a real process that gets a real signal.
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { existsSync } from "node:fs";
import { loadCheckpoint, loadSae, type Sae, saveSae } from "../../mod.ts";
import { randomNumbers } from "../gpu_helper.ts";
import {
  CORPUS,
  HOOK,
  MODEL,
  ROOT,
  saewing,
  sleep,
  startSaewing,
  withFolder,
} from "./cli_helper.ts";
import { testIo } from "./main_helper.ts";
import { main } from "../../cli.ts";

Deno.test("Ctrl-C while train measures: SAE and checkpoint stay, nothing is measured", async () => {
  await withFolder(async (folder) => {
    const run = join(folder, "run");
    const text = await writeTexts(folder);
    const { code, stdout } = await endedAt(() => exists(join(run, "metrics.csv")), "SIGINT", [
      ...["train", "--model", MODEL, "--hook", HOOK, "--text", text, "--dict-size", "16"],
      ...["--k", "2", "--steps", "2", "--batch-size", "128", "--buffer", "256", "--out", run],
      ...["--eval-text", text, "--eval-rows", "400"],
    ]);
    assertEquals(code, 130);
    assertStringIncludes(stdout, `\`saewing train --resume ${run}\` measures it`);
    assertEquals((await loadCheckpoint(join(run, "checkpoint")))!.steps, 2);
    assertEquals((await loadSae(join(run, "sae"))).dictSize, 16);
    const names = Array.from(Deno.readDirSync(run), ({ name }) => name);
    assert(!names.includes("evaluation.json"), names.join());
  });
});

Deno.test("SIGTERM while stitch takes activations ends it with exit code 143", async () => {
  await withFolder(async (folder) => {
    const text = await writeTexts(folder);
    const [small, large] = [8, 16].map((m) => join(folder, `m${m}`));
    await saveSae(tinySae(8, 1), small);
    await saveSae(tinySae(16, 2), large);
    const { code, stdout } = await endedAt((said) => said("activations"), "SIGTERM", [
      ...["stitch", small, large, "--text", text, "--samples", "10000000"],
      ...["--buffer", "2048", "--out", join(folder, "stitch")],
    ]);
    assertEquals(code, 143);
    assertStringIncludes(stdout, "interrupted: nothing was written");
    assertEquals(Array.from(Deno.readDirSync(folder)).filter(({ name }) => name === "stitch"), []);
  });
});

Deno.test("Ctrl-C while stitch studies a pair: the run that was there stays whole", async () => {
  await withFolder(async (folder) => {
    const text = await writeTexts(folder);
    const [small, large] = [128, 256].map((m) => join(folder, `m${m}`));
    await saveSae(tinySae(128, 1), small);
    await saveSae(tinySae(256, 2), large);
    const out = join(folder, "stitch");
    const stitch = (samples: string) => [
      ...["stitch", small, large, "--text", text, "--samples", samples, "--examples", "0"],
      ...["--buffer", "2048", "--out", out, "--overwrite"],
    ];
    const before = await saewing(stitch("300"));
    assertEquals(before.code, 0, before.stderr);
    const files = await contents(out);
    const on = `activations of ${MODEL} at ${HOOK}, on`;
    const { code, stdout } = await endedAt((said) => said(on), "SIGINT", stitch("6000"));
    assertEquals(code, 130);
    assertStringIncludes(stdout, "interrupted: nothing was written");
    assertEquals(await contents(out), files);
  });
});

for (const [signal, exitCode] of [["SIGINT", 130], ["SIGTERM", 143]] as const) {
  Deno.test(`${signal} while eval measures ends it with exit code ${exitCode}, without numbers`, async () => {
    await withFolder(async (folder) => {
      const text = await writeTexts(folder);
      const sae = join(folder, "sae");
      await saveSae(tinySae(64, 1), sae);
      const { code, stdout } = await endedAt((said) => said("of 2000 rows"), signal, [
        ...["eval", sae, "--text", text, "--rows", "2000"],
      ]);
      assertEquals(code, exitCode);
      assertEquals(stdout, "interrupted: nothing was measured\n");
    });
  });
}

/** Runs stitch in this process, and tells it to end when a line of progress says something. */
async function stitchUntil(
  folder: string,
  happened: (line: string, interrupt: () => void) => void,
): Promise<{ code: number; stdout: string; out: string }> {
  const [small, large] = [8, 16].map((m) => join(folder, `m${m}`));
  await saveSae(tinySae(8, 1), small);
  await saveSae(tinySae(16, 2), large);
  const out = join(folder, "stitch");
  // Seconds pass with each look at the clock, so that no line of progress is left out.
  let now = 0;
  let interrupted = false;
  const told = testIo({}, {
    now: () => now += 5000,
    printError: (line) =>
      happened(line, () => {
        if (!interrupted) told.interrupt(143);
        interrupted = true;
      }),
  });
  const code = await main([
    ...["stitch", small, large, "--text", await writeTexts(folder), "--samples", "300"],
    ...["--examples", "0", "--buffer", "512", "--out", out],
  ], told.io);
  return { code, stdout: told.written.stdout, out };
}

Deno.test("SIGTERM while stitch draws: nothing is written, exit code 143", async () => {
  await withFolder(async (folder) => {
    const { code, stdout, out } = await stitchUntil(folder, (line, interrupt) => {
      if (line.startsWith("figures and report")) interrupt();
    });
    assertEquals(code, 143);
    assertStringIncludes(stdout, "interrupted: nothing was written");
    assertEquals(await Deno.stat(out).catch(() => "none"), "none");
  });
});

Deno.test("SIGTERM while stitch writes: the results are whole, exit code 143", async () => {
  await withFolder(async (folder) => {
    let watching = Promise.resolve();
    const { code, stdout, out } = await stitchUntil(folder, (line, interrupt) => {
      if (!line.startsWith("figures and report")) return;
      watching = (async () => {
        const plots = join(folder, "stitch", "plots");
        while (!await Deno.stat(plots).catch(() => undefined)) {
          await new Promise((resolve) => setTimeout(resolve, 0));
        }
        interrupt();
      })();
    });
    await watching;
    assertEquals(code, 143);
    assertStringIncludes(stdout, `report: ${join(out, "report.html")}`);
    assertStringIncludes(stdout, "interrupted when all was done");
    const manifest = JSON.parse(await Deno.readTextFile(join(out, "saewing.json")));
    assert(manifest.finished !== undefined);
    for (const name of manifest.files) assert((await Deno.stat(join(out, name))).isFile, name);
  });
});

Deno.test("a second Ctrl-C ends at once, and so does one of another kind", async () => {
  await withFolder(async (folder) => {
    const script = join(folder, "wait.ts");
    await Deno.writeTextFile(
      script,
      `import { listenToInterrupts } from ${
        JSON.stringify(new URL("../../cli/command.ts", import.meta.url).href)
      };
      import { processIo } from ${JSON.stringify(new URL("../../cli/io.ts", import.meta.url).href)};
      using interrupt = listenToInterrupts(processIo());
      console.error("listening");
      await new Promise((resolve) => setTimeout(resolve, 60_000));`,
    );
    const args = ["run", "-A", "-c", join(ROOT, "deno.json"), script];
    const child = new Deno.Command(Deno.execPath(), { args, stderr: "piped", stdout: "null" })
      .spawn();
    let said = "";
    const all = (async () => {
      for await (const text of child.stderr.pipeThrough(new TextDecoderStream())) said += text;
    })();
    const until = async (what: string) => {
      while (!said.includes(what)) await new Promise((resolve) => setTimeout(resolve, 20));
    };
    await until("listening");
    child.kill("SIGTERM");
    await until("a second signal ends at once");
    child.kill("SIGINT");
    assertEquals((await child.status).code, 130);
    await all;
  });
});

/** Ends a command when something has happened; `said` waits until it says a text. */
async function endedAt(
  happened: (said: (text: string) => Promise<void>) => Promise<void>,
  signal: "SIGINT" | "SIGTERM",
  args: string[],
): Promise<{ code: number; stdout: string }> {
  const running = startSaewing(args);
  await happened(running.said);
  running.signal(signal);
  return await running.ran;
}

/** Texts of a folder's files, by name. */
async function contents(folder: string): Promise<Record<string, string>> {
  const names = Array.from(Deno.readDirSync(folder)).filter(({ isFile }) => isFile);
  return Object.fromEntries(
    await Promise.all(
      names.map(async ({ name }) => [name, await Deno.readTextFile(join(folder, name))]),
    ),
  );
}

/** Waits for a file. */
async function exists(path: string): Promise<void> {
  while (!existsSync(path)) await sleep(5);
}

/** Some 100,000 tokens of English, in small documents. */
async function writeTexts(folder: string): Promise<string> {
  const path = join(folder, "texts.jsonl");
  const [first] = (await Deno.readTextFile(CORPUS)).split("\n", 1);
  const { text }: { text: string } = JSON.parse(first);
  const lines = text.split("\n\n").map((text) => JSON.stringify({ text }) + "\n").join("");
  await Deno.writeTextFile(path, lines.repeat(Math.ceil(4e5 / lines.length)));
  return path;
}

/** An SAE of the embedded model's width, not trained. */
function tinySae(dictSize: number, seed: number): Sae {
  const [wEnc, wDec] = [seed, seed + 1].map((each) => randomNumbers(each, dictSize * 128));
  return {
    architecture: "topk",
    ...{ dModel: 128, dictSize, k: 2, wEnc, wDec },
    ...{ bEnc: new Float32Array(dictSize), bDec: new Float32Array(128) },
    subtractDecoderBias: true,
    inputNormalization: "none",
    metadata: { model: MODEL, hook: HOOK, contextSize: 32, training: { seed } },
  };
}
