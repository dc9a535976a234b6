import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { parse } from "@std/csv";
import { join } from "@std/path";
import { loadSae } from "../../mod.ts";
import { HOOK, MODEL, saewing, withFolder, writeCorpus } from "./cli_helper.ts";

Deno.test("sweep trains relu and jumprelu, input normalised, λ rising, gradients clipped", async () => {
  await withFolder(async (folder) => {
    const corpus = await writeCorpus(folder);
    const out = join(folder, "sweep");
    const command = [
      ...["sweep", "--model", MODEL, "--hook", HOOK, "--text", corpus, "--eval-text", corpus],
      ...["--eval-rows", "2", "--steps", "4", "--batch-size", "128", "--buffer", "256"],
      ...["--lr", "1e-3", "--architecture", "relu,jumprelu", "--dict-size", "32", "--out", out],
    ];
    const without = await saewing(command);
    assertMatch(without.stderr, /relu: --target-l0 is missing .*, or --sparsity/);
    assertEquals([without.code, without.stdout], [2, ""]);
    const whole = [
      ...[...command, "--sparsity", "0.05", "--sparsity-warmup-steps", "4", "--gradient-clip", "1"],
      ...["--input-normalization", "expected_average_only_in"],
    ];
    const swept = await saewing(whole);
    assertEquals(swept.code, 0, swept.stderr);
    const rows = parse(await Deno.readTextFile(join(out, "sweep.csv")), { skipFirstRow: true });
    const names = ["relu_m32_lambda0.05_seed0", "jumprelu_m32_lambda0.05_seed0"];
    assertEquals(rows.map(({ name }) => name), names);
    for (const { name, nmse, l0 } of rows) {
      assert(Number(nmse) > 0 && Number(nmse) < 1.5 && Number(l0) > 0, `${name}: ${nmse}, ${l0}`);
      const sae = await loadSae(join(out, name!, "sae"));
      assertEquals(sae.inputNormalization, "expected_average_only_in");
      assert(sae.inputScale! > 0);
      assertEquals(sae.threshold !== undefined, sae.architecture === "jumprelu");
      const metrics = await Deno.readTextFile(join(out, name!, "metrics.csv"));
      const steps = parse(metrics, { skipFirstRow: true });
      assertEquals(steps.length, 4);
      assert(steps.every(({ gradientNorm }) => Number(gradientNorm) > 0));
      const penalties = steps.map(({ sparsityLoss }) => Number(sparsityLoss));
      assert(penalties[3] > 2 * penalties[0], penalties.join());
    }
    assertStringIncludes(await Deno.readTextFile(join(out, "table2.md")), names[1]);

    const compared = await saewing([...whole, "--architecture", "topk", "--k", "4"]);
    assertEquals(compared.code, 0, compared.stderr);
    const equal = parse(await Deno.readTextFile(join(out, "equal_l0.csv")), {
      skipFirstRow: true,
    });
    assertEquals(
      equal.map(({ of, l0, dictSize, label, between }) => [of, l0, dictSize, label, between]),
      [
        ["topk, k 4", "4", "32", "relu", "true"],
        ["topk, k 4", "4", "32", "jumprelu", "true"],
        ["topk, k 4", "4", "32", "topk", "false"],
      ],
    );
  });
});
