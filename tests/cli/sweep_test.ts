import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { parse } from "@std/csv";
import { join } from "@std/path";
import { loadCheckpoint, loadSae } from "../../mod.ts";
import { existsSync } from "node:fs";
import {
  HOOK,
  MODEL,
  ROOT,
  saewing,
  sleep,
  startSaewing,
  withFolder,
  writeCorpus,
} from "./cli_helper.ts";

const json = (stdout: string) =>
  stdout.trim().split("\n").map((line) => JSON.parse(line) as Record<string, unknown>);

const shared = (corpus: string) => [
  ...["--model", MODEL, "--hook", HOOK, "--text", corpus, "--eval-text", corpus],
  ...["--eval-rows", "2", "--k", "4", "--steps", "4", "--batch-size", "128", "--buffer", "256"],
  ...["--lr", "1e-3", "--seed", "3"],
];

Deno.test("sweep trains, measures and plots a grid; started again it does what is missing", async () => {
  await withFolder(async (folder) => {
    const corpus = await writeCorpus(folder);
    const out = join(folder, "sweep");
    const command = [
      ...["sweep", ...shared(corpus), "--architecture", "batchtopk,topk", "--dict-size", "32,64"],
      ...["--shuffle-seed", "3", "--out", out, "--json"],
    ];
    const swept = await saewing([...command, "--at-once", "3"]);
    assertEquals(swept.code, 0, swept.stderr);
    const names = ["batchtopk_m32", "batchtopk_m64", "topk_m32", "topk_m64"]
      .map((name) => `${name}_k4_seed3`);
    const csv = await Deno.readTextFile(join(out, "sweep.csv"));
    const rows = parse(csv, { skipFirstRow: true });
    assertEquals(rows.map(({ name }) => name), names);
    assertEquals(rows.map(({ dictSize }) => dictSize), ["32", "64", "32", "64"]);
    for (const row of rows) {
      assertEquals([row.k, row.steps, row.seed], ["4", "4", "3"]);
      assert(Number(row.nmse) > 0 && Number(row.ceDegradation) > 0, JSON.stringify(row));
      assert(Math.abs(Number(row.nmse) + Number(row.explainedVariance) - 1) < 1e-9);
    }
    assertEquals(rows[3].l0, "4");
    const plots = await Array.fromAsync(Deno.readDir(join(out, "plots")), ({ name }) => name);
    assertEquals(plots.sort(), [
      ...["ce_by_dict_size_k4.svg", "nmse_by_dict_size_k4.svg", "pareto.svg"],
    ]);
    const table = await Deno.readTextFile(join(out, "table2.md"));
    assertStringIncludes(
      table,
      "| Name | Model | Dict. size | L0 | MSE (Σ over d) | CELR Zero | CELR Mean |",
    );
    assertEquals(names.filter((name) => table.includes(`| ${name} |`)), names);
    const html = await Deno.readTextFile(join(out, "sweep.html"));
    assertStringIncludes(html, "<svg");
    assertStringIncludes(html, `<th scope="row">steps</th><td>4</td>`);
    assert(!/https?:\/\/(?!www\.w3\.org)/.test(html), "the page reaches for the network");

    // The same SAE by itself, with the same measures.
    const run = join(folder, "run");
    const alone = await saewing([
      ...["train", ...shared(corpus), "--architecture", "topk", "--dict-size", "64", "--out", run],
    ]);
    assertEquals(alone.code, 0, alone.stderr);
    const [one, other] = [join(run, "sae"), join(out, names[3], "sae")];
    const [a, b] = [await loadSae(one), await loadSae(other)];
    for (const name of ["wEnc", "bEnc", "wDec", "bDec"] as const) assertEquals(a[name], b[name]);
    assertEquals([a.metadata.hook, a.metadata.steps], [b.metadata.hook, b.metadata.steps]);
    const evaluated = await saewing(["eval", one, "--text", corpus, "--rows", "2", "--json"]);
    const { evaluation, crossEntropy } = JSON.parse(evaluated.stdout.trim().split("\n").at(-1)!);
    assertEquals(String(evaluation.nmse), rows[3].nmse);
    assertEquals(String(evaluation.mse), rows[3].mse);
    assertEquals(String(crossEntropy.degradation), rows[3].ceDegradation);

    // All is done: nothing is trained or measured, and the table is the same.
    const again = await saewing(command);
    // Progress by time may be said all the same.
    const words = json(again.stdout);
    assert(!words.some((line) => "step" in line || "nmse" in line), again.stdout);
    assertEquals(words.at(-1)!.type, "result");
    assertEquals(await Deno.readTextFile(join(out, "sweep.csv")), csv);

    // One was not trained to its end, another not measured.
    const marker = join(out, names[1], "cell.json");
    const { measured: _, ...trained } = JSON.parse(await Deno.readTextFile(marker));
    await Deno.writeTextFile(marker, JSON.stringify(trained));
    await Deno.remove(join(out, names[2], "cell.json"));
    const rest = await saewing(command);
    assertEquals(rest.code, 0, rest.stderr);
    const progress = json(rest.stdout).filter(({ type }) => type === "progress");
    const done = (what: string) => progress.filter((line) => what in line).map(({ sae }) => sae);
    assertEquals(done("step"), [names[2]]);
    assertEquals(done("nmse"), [names[1], names[2]]);
    assertEquals(await Deno.readTextFile(join(out, "sweep.csv")), csv);

    const changes: [string[], RegExp][] = [
      [["--steps", "5"], /_m32_k4_seed3 holds an SAE whose steps is 4, this sweep's is 5/],
      [["--eval-rows", "3"], /whose evalRows is 2, this sweep's is 3/],
      [["--text", join(ROOT, "LICENSE")], /whose text is ".*corpus\.jsonl", this sweep's is/],
    ];
    for (const [[name, value], error] of changes) {
      const changed = command.map((arg, i) => command[i - 1] === name ? value : arg);
      const refused = await saewing(changed);
      assertMatch(refused.stderr, error);
      assertEquals(refused.code, 2);
    }
  });
});

Deno.test("Ctrl-C ends a sweep after a step, and the same command ends with the same bits", async () => {
  await withFolder(async (folder) => {
    const corpus = await writeCorpus(folder);
    const command = (out: string, steps: string, ...more: string[]) => [
      ...["sweep", ...shared(corpus).map((arg, i, all) => all[i - 1] === "--steps" ? steps : arg)],
      ...["--dict-size", "16,32", "--checkpoint-every", "20", "--out", join(folder, out), ...more],
    ];
    const names = ["batchtopk_m16_k4_seed3", "batchtopk_m32_k4_seed3"];
    const checkpoint = (out: string) => join(folder, out, names[1], "checkpoint");
    const running = startSaewing(command("stopped", "1000000"));
    while (!existsSync(checkpoint("stopped"))) await sleep(10);
    // As batch systems end a job.
    running.signal("SIGTERM");
    const { code, stdout } = await running.ran;
    assertEquals(code, 143);
    assertMatch(stdout, /interrupted: of 2 SAEs 0 are trained and 0 measured/);
    const { steps } = (await loadCheckpoint(checkpoint("stopped")))!;
    const more = String(steps + 10);
    const other = await saewing(
      command("stopped", more, "--lr", "1e-4").toSpliced(
        ...[command("stopped", more).indexOf("--lr"), 2] as const,
      ),
    );
    assertEquals(other.code, 2, other.stderr);
    assertMatch(other.stderr, /checkpoint does not fit: learningRate is 0\.0001, but/);
    const resumed = await saewing(command("stopped", more));
    assertEquals(resumed.code, 0, resumed.stderr);
    assertStringIncludes(resumed.stdout, `2 SAEs continue after step ${steps}`);
    await assertRejects(() => Deno.stat(checkpoint("stopped")), Deno.errors.NotFound);
    const never = await saewing(command("never", more));
    assertEquals(never.code, 0, never.stderr);
    for (const file of ["sae/sae_weights.safetensors", "metrics.csv"]) {
      for (const name of names) {
        const [a, b] = await Promise.all(
          ["stopped", "never"].map((out) => Deno.readFile(join(folder, out, name, file))),
        );
        assertEquals(a, b, `${name}/${file}`);
      }
    }
  });
});
