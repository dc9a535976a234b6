import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { parse } from "@std/csv";
import { median } from "../../bench/peer.ts";
import {
  parseShapes,
  shareStages,
  type StepCase,
  stepTimes,
  summarize,
  tableCsv,
  tableLines,
  workOf,
} from "../../bench/step_table.ts";

const shape = { n: 8, d: 4, m: 16, k: 2 };
const made: StepCase = {
  shape,
  architecture: "batchtopk",
  l0: [2, 2],
  rows: [
    {
      method: "ours",
      name: "saewing, one",
      milliseconds: [3, 1, 2],
      loss: 0.123456,
      stages: { encode: 0.75, update: 0.25 },
    },
    { method: "ours", name: "saewing, two", milliseconds: [4, 4, 4], loss: 0.123456 },
    {
      method: "dense",
      name: "dense, peer",
      milliseconds: [9, 8, 7],
      loss: 0.123456,
      ceilings: { gflops: 0.00128, gbs: 1 },
    },
    { method: "product", name: "product", milliseconds: [0.25] },
  ],
};

Deno.test("shapes are read, and refused by name where they are not four counts", () => {
  assertEquals(parseShapes("8,4,16,2"), [shape]);
  assertEquals(parseShapes("8,4,16,2;1,2,3,3"), [shape, { n: 1, d: 2, m: 3, k: 3 }]);
  for (
    const bad of ["", "8,4,16", "8,4,16,0", "8,4,16,2.5", "8,4,16,x", "8,4,16,2;", "1,2,3,4,5"]
  ) {
    assertThrows(() => parseShapes(bad), RangeError, "expected n,d,m,k");
  }
  assertThrows(() => parseShapes("8,4,16,17"), RangeError, "k 17, expected at most m 16");
});

Deno.test("the median is the middle one, whatever the order", () => {
  assertEquals(median([5]), 5);
  assertEquals(median([9, 1, 5]), 5);
  assertEquals(median([4, 1, 3, 2]), 3);
});

Deno.test("step times come from looks at any distance, warm-up apart", () => {
  const everyStep = [1, 2, 3, 4].map((step) => ({ step, time: 10 * step * step }));
  assertEquals(stepTimes(everyStep, 2), [50, 70]);
  assertEquals(stepTimes(everyStep, 1), [30, 50, 70]);
  assertEquals(stepTimes([{ step: 4, time: 100 }, { step: 8, time: 180 }], 4), [20]);
  assertEquals(stepTimes([{ step: 4, time: 100 }], 1), []);
});

Deno.test("stages are shares of what they took since, the short ones together", () => {
  const shares = shareStages({ encode: 5 }, { select: 1, encode: 103, read: 1 });
  assertEquals(shares, { encode: 0.98, select: 0.01, read: 0.01 });
  assertEquals(Object.keys(shares)[0], "encode");
  const rows = [{ ...made.rows[0], stages: shares }];
  assertEquals(tableLines({ ...made, rows }).at(-1), "saewing, one: encode 98 %, other 2 %");
});

Deno.test("ratios are to our fastest device, rates to the least work of each method", () => {
  const [one, two, dense, product] = summarize(made);
  assertEquals([one, two, dense, product].map(({ ratio }) => ratio), [1, 2, 4, 0.125]);
  assertEquals([one.fastest, one.milliseconds, one.slowest, one.samples], [1, 2, 3, 4000]);
  // A product is 2 · 8 · 16 · 4 operations, a dense step five of them.
  assertEquals(workOf("product", shape, 2).operations, 1024);
  assertEquals(workOf("dense", shape, 2).operations, 5120);
  assertEquals(workOf("sparse", shape, 2).operations, 1024 + 8 * 64);
  assertEquals(product.gflops, 1024 / 0.25 / 1e6);
  assertEquals(product.gbs, 4 * (8 * 4 + 16 * 4 + 8 * 16) / 0.25 / 1e6);
  // Each method adds to what the one before has to move.
  const bytes = (["ours", "sparse", "dense"] as const).map((each) => workOf(each, shape, 2).bytes);
  assert(bytes[0] < bytes[1] && bytes[1] < bytes[2], `${bytes}`);
  // With every latent active there is nothing to leave out.
  assertEquals(workOf("sparse", shape, 16).operations, 5120);
  assertEquals(workOf("ours", shape, 16), workOf("sparse", shape, 16));
  // Without ours there is nothing to compare with.
  const peers = { ...made, rows: made.rows.slice(2) };
  assertEquals(summarize(peers).map(({ ratio }) => ratio), [undefined, undefined]);
});

Deno.test("the table as text has aligned columns, the share of the ceilings and the stages", () => {
  const lines = tableLines(made);
  assertEquals(lines[0], "batchtopk, n 8, d 4, m 16, k 2, L0 2.0");
  const columns = ["× ours", "ms/step"].map((name) => lines[1].indexOf(name) + name.length);
  for (const [line, ratio, time] of [[2, "1.00", "2.00"], [4, "4.00", "8.00"]] as const) {
    assert(lines[line].slice(0, columns[0]).endsWith(ratio), lines[line]);
    assert(lines[line].slice(0, columns[1]).endsWith(time), lines[line]);
  }
  assertStringIncludes(lines[4], "(50 %)");
  assertStringIncludes(lines[2], "0.12346");
  assertEquals(lines.at(-1), "saewing, one: encode 75 %, update 25 %");
  assertStringIncludes(tableLines({ ...made, l0: [2, 3.25] })[0], "L0 2.0 → 3.3");
});

Deno.test("the table as Markdown has as many cells in each line", () => {
  const lines = tableLines(made, true);
  assertEquals(lines.slice(0, 2), ["### batchtopk, n 8, d 4, m 16, k 2, L0 2.0", ""]);
  const cells = lines.filter((line) => line.startsWith("|")).map((line) => line.split("|").length);
  assertEquals(cells, Array(6).fill(cells[0]));
  assertStringIncludes(lines[3], "---:");
});

Deno.test("CSV begins with its head and can be read again", () => {
  const csv = tableCsv(["machine: made", "command: none"], [made]);
  const [machine, command, ...rest] = csv.split("\r\n");
  assertEquals([machine, command], ["# machine: made", "# command: none"]);
  const rows = parse(rest.join("\r\n"), { skipFirstRow: true });
  assertEquals(rows.length, 4);
  const { architecture, m, method, name, milliseconds, steps, ratio, stages } = rows[0];
  assertEquals([architecture, m, method, name], ["batchtopk", "16", "ours", "saewing, one"]);
  assertEquals([milliseconds, steps, ratio], ["2", "3", "1"]);
  assertEquals(JSON.parse(stages!), { encode: 0.75, update: 0.25 });
  assertEquals(rows[3].loss, "");
});
