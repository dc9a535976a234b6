import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { paretoPlot, plotsByK, plotsBySize } from "../../lib/report/sweep_plots.ts";
import { propertiesMarkdown, sweepReport } from "../../lib/report/sweep_report.ts";
import type { SweepRow } from "../../lib/report/sweep_row.ts";

function row(given: Partial<SweepRow>): SweepRow {
  const { architecture = "topk", dictSize = 256, k, seed = 0, sparsityCoefficient } = given;
  return {
    name: `${architecture}_m${dictSize}_k${k}_seed${seed}`,
    ...{ architecture, dictSize, k, sparsityCoefficient, variant: "", seed, steps: 10 },
    ...{ nmse: 0.3, explainedVariance: 0.7, l0: k ?? 10, mse: 2.718, deadLatents: 0 },
    ...{ ceClean: 3, ceSpliced: 3.5, ceZeroAblated: 9, ceMeanAblated: 7, ceDegradation: 0.5 },
    ...{ ceRecoveredFromZero: 0.9155, ceRecoveredFromMean: 0.875 },
    ...given,
  };
}

const places = (svg: string) =>
  [...svg.matchAll(/<circle cx="([^"]*)" cy="([^"]*)"/g)].map(([, x, y]) => [+x, +y]);

Deno.test("a plot for each k and for each size, where there is more than one point", () => {
  const rows = ["topk", "batchtopk"].flatMap((architecture) =>
    [256, 512, 1024].flatMap((dictSize) => [8, 16].map((k) => row({ architecture, dictSize, k })))
  );
  assertEquals(plotsBySize(rows).map(({ name }) => name), [
    ...["nmse_by_dict_size_k8", "ce_by_dict_size_k8"],
    ...["nmse_by_dict_size_k16", "ce_by_dict_size_k16"],
  ]);
  assertEquals(plotsByK(rows).length, 6);
  assertEquals(plotsByK(rows.filter(({ k }) => k === 8)), []);
  assertEquals(plotsBySize(rows.filter(({ dictSize }) => dictSize === 256)), []);
  const { svg } = plotsBySize(rows)[0];
  for (const name of ["256", "512", "1024", "topk", "batchtopk"]) {
    assertStringIncludes(svg, `>${name}</text>`);
  }
  // Doublings are equally far apart.
  const [[a], [b], [c]] = places(svg);
  assert(Math.abs((b - a) - (c - b)) < 0.02, `${a} ${b} ${c}`);
});

Deno.test("SAEs that differ in their seed alone are one point, their mean", () => {
  const [one, other] = [0.2, 0.4].map((nmse, seed) => row({ k: 8, seed, nmse }));
  const far = row({ k: 16, nmse: 0.1 });
  const mean = places(paretoPlot([row({ k: 8, nmse: 0.3 }), far]).svg);
  assertEquals(mean.length, 2);
  assertEquals(places(paretoPlot([one, other, far]).svg), mean);
});

Deno.test("an SAE without k stands at its L0, and in no plot of fixed k", () => {
  const jump = [4e-3, 8e-4].map((sparsityCoefficient, i) =>
    row({ architecture: "jumprelu", sparsityCoefficient, l0: [7, 19][i] })
  );
  const rows = [...jump, row({ k: 8 }), row({ k: 16 }), row({ k: 8, dictSize: 512 })];
  const [{ svg }] = plotsByK(rows);
  assertStringIncludes(svg, "measured L0 where no k is given");
  assertEquals(places(svg).length, 4);
  assert(!plotsBySize(rows)[0].svg.includes("jumprelu"));
});

Deno.test("the table has Table 2's columns, in Markdown and on the page", () => {
  const rows = [row({ k: 8 }), row({ k: 16, nmse: NaN })];
  assertStringIncludes(
    propertiesMarkdown(rows, "a|b"),
    "| topk_m256_k8_seed0 | a\\|b | 256 | 8.0 | 2.72 | 0.915 | 0.875 | 0.3000 | 0.5000 |",
  );
  const page = sweepReport({
    ...{ rows, date: "2026-01-01", adapter: "<gpu>", model: { id: "m", hook: "h" } },
    settings: { batchSize: 128 },
  });
  assertStringIncludes(page, "topk_m256_k16_seed0");
  assertStringIncludes(page, "&lt;gpu&gt;");
  assert(!/NaN|undefined|<gpu>/.test(page));
});
