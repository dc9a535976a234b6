import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { join } from "@std/path";
import { loadSae } from "../../lib/formats/load_sae.ts";
import { openRunFolder, OutputFolderError } from "../../lib/formats/mod.ts";
import { readRunOptions } from "../../lib/formats/run_folder.ts";
import { createRandom } from "../../lib/random.ts";
import { initializeSae } from "../../lib/sae/initialize.ts";
import type { StepRecord } from "../../lib/training/step_record.ts";
import { withFolder } from "../cli/cli_helper.ts";

const HOW = { options: { steps: ["2"] }, overwrite: false, inputs: [] };
const record = (step: number) => ({ step, samples: 8 * step, loss: 1 / step }) as StepRecord;

Deno.test("a training run's folder: options, records of steps, the SAE; resumed and not replaced", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "run");
    await assertRejects(
      () => openRunFolder(path, { ...HOW, resumed: true }),
      OutputFolderError,
      "there is no run to resume in",
    );
    {
      using run = await openRunFolder(path, { ...HOW, resumed: false });
      assertEquals(await run.loadCheckpoint(), undefined);
      await run.start();
      await run.writeJson("config.json", { options: HOW.options, curve: Float32Array.of(1, 2) });
      await run.startMetrics([record(1)]);
      run.addMetrics([record(2)]);
      await run.writeMetricsTable([record(1), record(2)]);
      const random = createRandom(1);
      const shape = { architecture: "topk", dModel: 4, dictSize: 8, k: 2 } as const;
      await run.saveSae(initializeSae({ ...shape, random }));
    }
    assertEquals(readRunOptions(path), HOW.options);
    const config = JSON.parse(await Deno.readTextFile(join(path, "config.json")));
    assertEquals(config.curve, [1, 2]);
    const lines = (await Deno.readTextFile(join(path, "metrics.jsonl"))).trim().split("\n");
    assertEquals(lines.map((line) => JSON.parse(line).step), [1, 2]);
    assertEquals((await loadSae(join(path, "sae"))).dictSize, 8);

    // The SAE that was saved makes the run worth keeping.
    await assertRejects(
      () => openRunFolder(path, { ...HOW, resumed: false }),
      OutputFolderError,
      "holds an unfinished run",
    );
    using again = await openRunFolder(path, { ...HOW, resumed: true });
    assertEquals(again.goesOn, true);
    await again.finish();
  });
});

Deno.test("a folder that is no run's has no options", async () => {
  await withFolder(async (folder) => {
    await Deno.writeTextFile(join(folder, "config.json"), `{ "options": 3 }`);
    assertThrows(() => readRunOptions(folder), OutputFolderError, "names no options");
  });
});
