import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { ProbeStudy } from "../../lib/interpretation/mod.ts";
import { scoreInterval, wilsonInterval } from "../../lib/claims/intervals.ts";
import { probeFiles } from "../../lib/report/mod.ts";

const probe = (label: string, correct: number, tested: number, k = 1) => ({
  ...{ label, k, features: Uint32Array.of(3), weights: Float64Array.of(1), bias: 0 },
  ...{ correct, tested },
});

/** Two classes: 20 tests of which half are right, and 180 of which all are. */
const uneven = (label: [string, string]) => [probe(label[0], 10, 20), probe(label[1], 180, 180)];

function study(): ProbeStudy {
  const sets = ["<b>a</b>", "b"].map((label) => ({
    ...{ label, train: new Uint32Array(8), trainPositive: 4 },
    ...{ test: new Uint32Array(4), testPositive: 2 },
  }));
  return {
    ...{ texts: 100, sets, channels: uneven(["a", "b"]), residual: uneven(["a", "b"]) },
    saes: [{
      ...{ name: "<i>sae</i>", architecture: "relu", dictSize: 64 },
      ...{ probes: uneven(["a", "b"]), perturbations: [] },
    }],
  };
}

Deno.test("the interval beside a mean over classes is of that mean, not of all tests together", async () => {
  const files = await probeFiles({
    ...{ date: "2026-01-02", device: "CPU", model: { id: "m", hook: "h" }, data: "<u>.csv" },
    ...{ study: study(), settings: {} },
  });
  const html = files["report.html"];
  // The mean of 0.5 and 1 has the variance of a share of 4 / (1/20 + 1/180) = 72 tests.
  const { low, high } = wilsonInterval(54, 72);
  assertStringIncludes(html, `0.750 (${low.toFixed(2)}–${high.toFixed(2)})`);
  assert(!/<(b|i|u)>/.test(html));
});

Deno.test("an interval of a share without counts is Wilson's where there are counts", () => {
  for (const [successes, trials] of [[0, 5], [5, 5], [3, 7], [50, 100]]) {
    assertEquals(scoreInterval(successes / trials, trials), wilsonInterval(successes, trials));
  }
  const { low, high } = scoreInterval(0.9, 10.5);
  assert(low < 0.9 && high > 0.9 && high <= 1);
});
