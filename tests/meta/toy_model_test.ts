import { assert, assertEquals } from "@std/assert";
import { toyFigure } from "../../examples/toy_figure.ts";
import { isComplete, toyModel } from "../../examples/toy_model.ts";
import { openTestDevice } from "../gpu_helper.ts";

Deno.test("the toy model: factors, composed pairs, and the factors again", async () => {
  using gpu = await openTestDevice();
  // Seeds of which few starts are enough; docs/toy_model.md has the counts of ten.
  const complete = { small: 0, large: 0, meta: 0 };
  for (const seed of [1]) {
    const result = await toyModel(gpu, { seed, starts: { small: 2, large: 1, meta: 2 } });
    assertEquals([result.small.sae.dictSize, result.large.sae.dictSize], [6, 9]);
    assertEquals([result.small.found.length, result.large.found.length], [6, 9]);
    assert(result.meta.explainedVariance > 0.95);
    for (const stage of ["small", "large", "meta"] as const) {
      if (isComplete(result[stage].found)) complete[stage]++;
    }
    const { svg, page } = await toyFigure(result);
    assert(svg.includes("green square") && !svg.includes("NaN"));
    assert(page.includes(svg));
  }
  assertEquals(complete, { small: 1, large: 1, meta: 1 });
});
