// Long series of kills, and a real signal. SAEWING_KILLS makes the series longer.
import { assertEquals, assertMatch } from "@std/assert";
import { join } from "@std/path";
import { loadSae } from "../../mod.ts";
import { HOOK, MODEL, withFolder, writeCorpus } from "../cli/cli_helper.ts";
import { killAndResume } from "../cli/kill_and_resume.ts";

const kills = Number(Deno.env.get("SAEWING_KILLS") ?? 4);

for (const device of ["software", "cpu"]) {
  Deno.test(`killed at random moments and resumed, a run ends with the same bytes: ${device}`, () =>
    killAndResume(device, { kills, dictSize: 512, steps: 40 }));
}

Deno.test("Ctrl-C keeps what was learned", async () => {
  await withFolder(async (folder) => {
    const corpus = await writeCorpus(folder);
    const run = join(folder, "run");
    const child = new Deno.Command(Deno.execPath(), {
      args: [
        ...["run", "-A", new URL("../../cli.ts", import.meta.url).pathname],
        ...["train", "--model", MODEL, "--hook", HOOK, "--text", corpus, "--dict-size", "64"],
        ...["--k", "4", "--steps", "1000000", "--batch-size", "256", "--buffer", "512"],
        ...["--out", run],
      ],
      stdout: "piped",
      stderr: "null",
    }).spawn();
    const metrics = join(run, "metrics.jsonl");
    for (let waited = 0; waited < 600; waited++) {
      const size = await Deno.stat(metrics).then((info) => info.size, () => 0);
      if (size > 0) break;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    child.kill("SIGINT");
    const { code, stdout } = await child.output();
    assertEquals(code, 130);
    assertMatch(new TextDecoder().decode(stdout), /interrupted/);
    assertEquals((await loadSae(join(run, "sae"))).dictSize, 64);
  });
});
