import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import fc from "fast-check";
import { architectureColour } from "../../lib/report/legend.ts";
import { atEqualL0 } from "../../lib/sweep/equal_l0.ts";
import { paretoPlot, plotsByK, plotsBySize } from "../../lib/report/sweep_plots.ts";
import { equalL0Table, propertiesMarkdown, sweepReport } from "../../lib/report/sweep_report.ts";
import type { SweepRow } from "../../lib/sweep/sweep_row.ts";
import { number, readSvg } from "./read_svg.ts";

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

/** Places of a figure's points. */
const places = (svg: string) =>
  readSvg(svg).marks("dot").map((dot) => [number(dot, "cx"), number(dot, "cy")]);

Deno.test("a figure for each k and for each size, where there is more than one point", async () => {
  const rows = ["topk", "batchtopk"].flatMap((architecture) =>
    [256, 512, 1024].flatMap((dictSize) => [8, 16].map((k) => row({ architecture, dictSize, k })))
  );
  const drawn = await Promise.all(plotsBySize(rows));
  assertEquals(drawn.map(({ name }) => name), [
    ...["nmse_by_dict_size_k8", "ce_by_dict_size_k8"],
    ...["nmse_by_dict_size_k16", "ce_by_dict_size_k16"],
  ]);
  assertEquals(plotsByK(rows).length, 6);
  assertEquals(plotsByK(rows.filter(({ k }) => k === 8)), []);
  assertEquals(plotsBySize(rows.filter(({ dictSize }) => dictSize === 256)), []);
  const { svg } = drawn[0];
  const { ticks, legend } = readSvg(svg);
  assertEquals([[...ticks("x").keys()], legend], [["256", "512", "1,024"], ["topk", "batchtopk"]]);
  // Doublings are equally far apart.
  const [[a], [b], [c]] = places(svg);
  assert(Math.abs((b - a) - (c - b)) < 0.02, `${a} ${b} ${c}`);
});

Deno.test("the broad figure of a sweep keeps its size on a small screen, and scrolls", async () => {
  const html = await sweepReport({
    ...{ date: "a day", device: "an adapter", model: { id: "m", hook: "h" }, settings: {} },
    rows: [row({ k: 8 }), row({ k: 16 })],
  });
  const broad = [...html.matchAll(/<figure([^>]*)>\n<svg [^>]*viewBox="0 0 (\d+) /g)]
    .filter(([, , width]) => Number(width) > 700);
  assertEquals(broad.map(([, attributes]) => attributes), [' class="broad"']);
  assertStringIncludes(html, "figure.broad svg { min-width: 44rem; }");
});

Deno.test("SAEs that differ in their seed alone are one point, their mean", async () => {
  const [one, other] = [0.2, 0.4].map((nmse, seed) => row({ k: 8, seed, nmse }));
  const far = row({ k: 16, nmse: 0.1 });
  const mean = places((await paretoPlot([row({ k: 8, nmse: 0.3 }), far])).svg);
  assertEquals(mean.length, 2);
  assertEquals(places((await paretoPlot([one, other, far])).svg), mean);
});

Deno.test("paretoPlot gives an architecture its colour, a variant dashes, a size its symbol", async () => {
  const kinds = [["topk", ""], ["batchtopk", ""], ["relu", ""], ["relu", "lr0.01"]];
  const rows = kinds.flatMap(([architecture, variant]) =>
    [256, 512].flatMap((dictSize) =>
      [8, 16].map((k) => row({ architecture, variant, dictSize, k }))
    )
  );
  const { svg } = await paretoPlot(rows);
  const lines = [...svg.matchAll(/<g [^>]*aria-label="line"[^>]*>/g)].map(([group]) =>
    ["stroke", "stroke-dasharray"].map((name) => group.match(` ${name}="([^"]*)"`)?.[1])
  );
  const drawn = ["topk", "batchtopk", "relu"].map(architectureColour);
  const colours = [0, 1, 2, 2].flatMap((kind) => [drawn[kind], drawn[kind]]);
  assertEquals(lines.map(([colour]) => colour), colours);
  assertEquals(lines.map(([, dash]) => Boolean(dash)), lines.map((_, i) => i >= 6));
  assertEquals(readSvg(svg).legend, [
    ...["topk", "batchtopk", "relu", "relu lr0.01", "256 latents", "512 latents"],
  ]);
  // A circle has no path, a square has one.
  assertEquals([...svg.matchAll(/<circle /g)].length, 4 * 2 + 1);
});

Deno.test("an SAE without k stands at its L0", async () => {
  const jump = [4e-3, 8e-4].map((sparsityCoefficient, i) =>
    row({ architecture: "jumprelu", sparsityCoefficient, l0: [7, 19][i] })
  );
  const rows = [...jump, row({ k: 8 }), row({ k: 16 }), row({ k: 8, dictSize: 512 })];
  const [{ svg }] = await Promise.all(plotsByK(rows));
  assertStringIncludes(svg, "measured L0 where no k is given");
  assertEquals(places(svg).length, 4);
  const bySize = await Promise.all(plotsBySize(rows));
  assert(readSvg(bySize[0].svg).legend.includes("jumprelu, read at their L0"));
  // k 16 is known at one size only, k 8 at two.
  assertEquals(bySize.map(({ name }) => name), [
    ...["nmse_by_dict_size_k8", "ce_by_dict_size_k8"],
  ]);
});

const jump = (given: Partial<SweepRow>) => row({ architecture: "jumprelu", ...given });

Deno.test("kinds are read at the measured L0 of SAEs told k, straight in log L0", () => {
  const rows = [
    row({ k: 8, nmse: 0.25 }),
    row({ k: 32, nmse: 0.05 }),
    jump({ sparsityCoefficient: 3, l0: 4, nmse: 0.4, ceDegradation: 1 }),
    jump({ sparsityCoefficient: 1, l0: 64, nmse: 0.1, ceDegradation: 0.2 }),
    jump({ sparsityCoefficient: 2, l0: 16, nmse: 0.2, ceDegradation: 0.6 }),
  ];
  const equal = atEqualL0(rows);
  assertEquals(equal.map(({ label, l0, of, between }) => [label, l0, of, between]), [
    ...[["topk", 8, "topk, k 8", false], ["jumprelu", 8, "topk, k 8", true]],
    ...[["topk", 32, "topk, k 32", false], ["jumprelu", 32, "topk, k 32", true]],
  ]);
  const values = equal.flatMap(({ nmse, ceDegradation }) => [nmse, ceDegradation]);
  [0.25, 0.5, 0.3, 0.8, 0.05, 0.5, 0.15, 0.4].forEach((wanted, i) =>
    assert(Math.abs(values[i] - wanted) < 1e-12, `${i}: ${values[i]}, expected ${wanted}`)
  );
  assertEquals(equalL0Table(equal), {
    head: [
      ...["Dict. size", "L0", "L0 of", "NMSE, topk", "NMSE, jumprelu"],
      ...["CE degradation, topk", "CE degradation, jumprelu"],
    ],
    rows: [
      ["256", "8.0", "topk, k 8", "0.2500", "0.3000", "0.5000", "0.8000"],
      ["256", "32.0", "topk, k 32", "0.0500", "0.1500", "0.5000", "0.4000"],
    ],
  });
});

Deno.test("the L0 at which kinds are compared is the measured one, never the k asked for", async () => {
  const batchtopk = (k: number, l0: number, nmse: number) =>
    row({ architecture: "batchtopk", k, l0, nmse });
  const rows = [
    // Told 16 it has 8; told 64 it has 32.
    ...[batchtopk(16, 8, 0.4), batchtopk(64, 32, 0.2)],
    ...[
      row({ k: 16, nmse: 0.3 }),
      jump({ l0: 8, nmse: 0.45, sparsityCoefficient: 2 }),
      jump({ l0: 32, nmse: 0.35, sparsityCoefficient: 1 }),
    ],
  ];
  const read = (of: string, label: string) =>
    atEqualL0(rows).find((at) => at.of === of && at.label === label)!;
  // Where BatchTopK has 8, JumpReLU with 8 stands beside it, not that with 16.
  assertEquals(read("batchtopk, k 16", "jumprelu").nmse, 0.45);
  assertEquals([read("batchtopk, k 16", "batchtopk").l0, read("batchtopk, k 64", "topk").nmse], [
    8,
    NaN,
  ]);
  // Where TopK has 16 BatchTopK has it half-way between 8 and 32, though it was told 16 once.
  const between = read("topk, k 16", "batchtopk");
  assert(Math.abs(between.nmse - 0.3) < 1e-12, `${between.nmse}`);
  assertEquals([between.l0, between.between], [16, true]);
  // By dictionary size too.
  const twice = [...rows, ...rows.map((each) => ({ ...each, dictSize: 512 }))];
  assertStringIncludes((await plotsBySize(twice)[0]).svg, "jumprelu, read at their L0");
});

Deno.test("an SAE told a target L0 stands at the L0 that it reached", () => {
  const target = (targetL0: number, l0: number, seed = 0) =>
    jump({ targetL0, l0, seed, nmse: l0 / 100 });
  const rows = [
    row({ k: 8, nmse: 0.1 }),
    row({ k: 32, nmse: 0.3 }),
    target(16, 15),
    target(16, 17, 1),
  ];
  const equal = atEqualL0(rows).filter(({ of }) => of === "jumprelu, target 16");
  assertEquals(equal.map(({ label, l0 }) => [label, l0]), [["topk", 16], ["jumprelu", 16]]);
  assert(Math.abs(equal[0].nmse - 0.2) < 1e-12 && Math.abs(equal[1].nmse - 0.16) < 1e-12);
});

Deno.test("beyond the ends of a curve nothing is read, and one kind alone is not compared", () => {
  const far = [jump({ l0: 9 }), jump({ sparsityCoefficient: 1, l0: 12 }), jump({ l0: 0 })];
  const equal = atEqualL0([row({ k: 8 }), row({ k: 8, dictSize: 512 }), ...far]);
  assertEquals(equal.map(({ label, dictSize }) => `${label} ${dictSize}`), [
    ...["topk 256", "jumprelu 256", "topk 512"],
  ]);
  assertEquals(equal[1].nmse, NaN);
  assertEquals(equalL0Table(equal).rows.map((cells) => cells[4]), ["–", "–"]);
  assertEquals(atEqualL0([row({ k: 8 }), row({ k: 16 })]), []);
  assertEquals(atEqualL0(far), []);
});

Deno.test("a value that is read lies between its neighbours' and is theirs at their L0", () => {
  const points = fc.uniqueArray(
    fc.record({
      l0: fc.double({ min: 0.5, max: 100, noNaN: true }),
      nmse: fc.double({ min: 0, max: 1, noNaN: true }),
    }),
    { minLength: 2, maxLength: 6, selector: ({ l0 }) => l0 },
  );
  fc.assert(fc.property(points, fc.integer({ min: 1, max: 90 }), (points, k) => {
    const rows = points.map((point, i) => jump({ ...point, sparsityCoefficient: i }));
    const read = (l0: number) => atEqualL0([row({ k: 1, l0 }), ...rows])[1].nmse;
    for (const { l0, nmse } of points) assertEquals(read(l0), nmse);
    const below = points.filter(({ l0 }) => l0 <= k).sort((a, b) => b.l0 - a.l0)[0];
    const above = points.filter(({ l0 }) => l0 >= k).sort((a, b) => a.l0 - b.l0)[0];
    if (!below || !above) return assertEquals(read(k), NaN);
    const ends = [below.nmse, above.nmse];
    assert(read(k) >= Math.min(...ends) - 1e-12 && read(k) <= Math.max(...ends) + 1e-12);
  }));
});

Deno.test("the page lists the SAEs that were warned of", async () => {
  const page = (rows: SweepRow[]) =>
    sweepReport({
      ...{ rows, date: "2026-01-01", device: "gpu", model: { id: "m", hook: "h" } },
      settings: {},
    });
  const warned = await page([row({ k: 8 }), row({ k: 16, warnings: "divergence dead_latents" })]);
  assertStringIncludes(warned, "divergence dead latents");
  assert(!(await page([row({ k: 8 }), row({ k: 16, warnings: "" })])).includes("Warnings"));
});

Deno.test("the table has Table 2's columns, in Markdown and on the page", async () => {
  const rows = [row({ k: 8 }), row({ k: 16, nmse: NaN })];
  assertStringIncludes(
    propertiesMarkdown(rows, "a|b"),
    "| topk_m256_k8_seed0 | a\\|b | 256 | 8.0 | 2.72 | 0.915 | 0.875 | 0.3000 | 0.5000 |",
  );
  const page = await sweepReport({
    ...{ rows, date: "2026-01-01", device: "<gpu>", model: { id: "m", hook: "h" } },
    settings: { batchSize: 128 },
  });
  assertStringIncludes(page.replaceAll("<wbr>", ""), "topk_m256_k16_seed0");
  assertStringIncludes(page, "&lt;gpu&gt;");
  assert(!/NaN|undefined|<gpu>/.test(page));
});
