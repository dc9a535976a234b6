import { assertEquals, assertStringIncludes } from "@std/assert";
import type { Row } from "./peer.ts";
import { countOutcomes, markdownOf, outcomeOf, rowText } from "./peer_table.ts";

Deno.test("a row passes within its limit; beyond it only with a reason, and never without a number", () => {
  const cases: [Row, string][] = [
    [{ check: "a", difference: 1e-6, limit: 1e-5 }, "ok"],
    [{ check: "a", difference: 1e-5, limit: 1e-5 }, "ok"],
    [{ check: "a", difference: 2e-5, limit: 1e-5 }, "failed"],
    [{ check: "a", difference: 2e-5, limit: 1e-5, reason: "float16" }, "explained"],
    [{ check: "a", difference: NaN, limit: 1e-5, reason: "float16" }, "failed"],
    [{ check: "a", difference: Infinity, limit: 1e-5, reason: "float16" }, "failed"],
    [{ check: "a", difference: 1e-6 }, "failed"],
    [{ check: "a", measured: "1.6 ×" }, "measured"],
    [{ check: "a" }, "failed"],
    [{ check: "a", limit: 1e-5 }, "failed"],
  ];
  for (const [row, outcome] of cases) assertEquals(outcomeOf(row), outcome, JSON.stringify(row));
});

Deno.test("rows are counted, and shown as text and as Markdown", () => {
  const rows: Row[] = [
    { check: "encode | decode", difference: 1.26e-7, limit: 1e-5 },
    { check: "half", difference: 2e-3, limit: 1e-5, note: "fp16", reason: "11 bits" },
  ];
  const results = [{ name: "some", title: "Some", rows, seconds: 1 }];
  assertEquals(countOutcomes(results), { ok: 1, explained: 1, measured: 0, failed: 0 });
  assertEquals(rowText(rows[1]), "  explained half  2.0e-3  1.0e-5  fp16; 11 bits");
  const shown = markdownOf(results);
  assertStringIncludes(shown, "### Some\n");
  assertStringIncludes(shown, "| encode \\| decode | 1.3e-7 | 1.0e-5 |  | ok |");
});
