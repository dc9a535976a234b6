// The table of training steps: shapes, medians, rates and their layout. Needs no device and no Python.
import { stringify } from "@std/csv";
import { median } from "./peer.ts";

/** Batch size n, activation width d, dictionary size m, active latents per sample k. */
export interface Shape {
  n: number;
  d: number;
  m: number;
  k: number;
}

/** How a step is computed: ours, or one of the peers. */
export type Method = "ours" | "dense" | "sparse" | "saelens" | "product";

/** The measurements of one step in all rounds. */
export interface StepRow {
  method: Method;
  /** What ran, and on which device: shown in the table. */
  name: string;
  /** Milliseconds of each timed step of all rounds. */
  milliseconds: number[];
  /** Loss of the last step. */
  loss?: number;
  /** The machine's rates where it ran. */
  ceilings?: { gflops: number; gbs: number };
  /** Share of the step that each of its stages takes. */
  stages?: Record<string, number>;
}

/** The steps of one shape and architecture. */
export interface StepCase {
  shape: Shape;
  architecture: string;
  /** Active latents per sample, in the first and the last step. */
  l0: [first: number, last: number];
  rows: StepRow[];
}

/** A row of the table; rates in 10⁹ operations and 10⁹ bytes per second. */
export interface Summary {
  /** Median of a step. */
  milliseconds: number;
  fastest: number;
  slowest: number;
  /** Samples per second. */
  samples: number;
  /** Relative to the milliseconds of our fastest device; undefined without one. */
  ratio?: number;
  gflops: number;
  gbs: number;
}

/** Reads "n,d,m,k;n,d,m,k". */
export function parseShapes(text: string): Shape[] {
  return text.split(";").map((part) => {
    const numbers = part.split(",").map(Number);
    if (numbers.length !== 4 || !numbers.every((x) => Number.isInteger(x) && x > 0)) {
      throw new RangeError(`--shapes has ${part}, expected n,d,m,k: four whole numbers above 0`);
    }
    const [n, d, m, k] = numbers;
    if (k > m) throw new RangeError(`--shapes has ${part}: k ${k}, expected at most m ${m}`);
    return { n, d, m, k };
  });
}

/**
 * The operations of a step, and the bytes that its algorithm has to move at least:
 * - product: x · W_enc; reads both and writes z.
 * - dense, saelens: five products of that size; Adam reads and writes two matrices and their moments, and the
 *   gradients are written and read; z, f and the gradients of both are written and read.
 * - sparse: one product, and 8 operations and 16 bytes per active value (decode, dots, two gathers of
 *   gradients); z is written and read; Adam as above.
 * - ours: as sparse, without z and the matrices' gradients, which need not be in memory.
 *
 * Where a quarter of the latents are active, sparse and ours are counted as dense products with z, f and one
 * gradient in memory. Gathered rows are counted as if nothing were cached.
 */
export function workOf(
  method: Method,
  { n, d, m }: Shape,
  l0: number,
): { operations: number; bytes: number } {
  const [product, adam, gradients, z] = [2 * n * m * d, 48 * m * d, 16 * m * d, 8 * n * m];
  const active = n * l0 * d;
  const input = 4 * n * d;
  if (l0 >= m / 4 && (method === "sparse" || method === "ours")) {
    return { operations: 5 * product, bytes: input + adam + 3 * z };
  }
  switch (method) {
    case "product":
      return { operations: product, bytes: input + 4 * m * d + z / 2 };
    case "dense":
    case "saelens":
      return { operations: 5 * product, bytes: input + adam + gradients + 4 * z };
    case "sparse":
      return {
        operations: product + 8 * active,
        bytes: input + adam + gradients + z + 16 * active,
      };
    case "ours":
      return { operations: product + 8 * active, bytes: input + adam + 16 * active };
  }
}

/** The rows of a case's table, in order. */
export function summarize({ shape, rows, l0 }: StepCase): Summary[] {
  const ours = Math.min(
    ...rows.filter(({ method }) => method === "ours").map((row) => median(row.milliseconds)),
  );
  return rows.map(({ method, milliseconds: all }) => {
    const milliseconds = median(all);
    const { operations, bytes } = workOf(method, shape, l0[1]);
    return {
      milliseconds,
      fastest: Math.min(...all),
      slowest: Math.max(...all),
      samples: 1000 * shape.n / milliseconds,
      ...(ours < Infinity ? { ratio: milliseconds / ours } : {}),
      gflops: operations / milliseconds / 1e6,
      gbs: bytes / milliseconds / 1e6,
    };
  });
}

const HEAD = ["", "ms/step", "fastest–slowest", "samples/s", "× ours", "GFLOP/s", "GB/s", "loss"];

/** A case's table as lines of aligned text or of Markdown. */
export function tableLines(of: StepCase, markdown = false): string[] {
  const { shape: { n, d, m, k }, architecture, l0, rows } = of;
  const active = l0.map((x) => x.toFixed(1));
  const title = `${architecture}, n ${n}, d ${d}, m ${m}, k ${k}, L0 ${
    active[0] === active[1] ? active[0] : active.join(" → ")
  }`;
  const cells = summarize(of).map((sum, at) => {
    const { name, loss, ceilings } = rows[at];
    return [
      name,
      short(sum.milliseconds),
      `${short(sum.fastest)}–${short(sum.slowest)}`,
      short(sum.samples),
      sum.ratio === undefined ? "" : sum.ratio.toFixed(2),
      rate(sum.gflops, ceilings?.gflops),
      rate(sum.gbs, ceilings?.gbs),
      loss === undefined ? "" : loss.toPrecision(5),
    ];
  });
  const stages = rows.flatMap(({ name, stages }) =>
    stages ? [`${name}: ${stageList(stages)}`] : []
  );
  if (markdown) {
    const line = (row: string[]) => `| ${row.join(" | ")} |`;
    const rule = HEAD.map((_, column) => column === 0 ? "---" : "---:");
    const table = [HEAD, rule, ...cells].map(line);
    return [`### ${title}`, "", ...table, ...stages.flatMap((text) => ["", text])];
  }
  const table = [HEAD, ...cells];
  const widths = HEAD.map((_, column) => Math.max(...table.map((row) => row[column].length)));
  const lines = table.map((row) =>
    row.map((cell, column) => column === 0 ? cell.padEnd(widths[0]) : cell.padStart(widths[column]))
      .join("  ").trimEnd()
  );
  return [title, ...lines, ...stages];
}

/** All cases as CSV, after the lines of `head` as comments. */
export function tableCsv(head: string[], cases: StepCase[]): string {
  const rows = cases.flatMap((each) => {
    const { shape, architecture, l0 } = each;
    return summarize(each).map((sum, at) => {
      const { method, name, loss, ceilings, stages } = each.rows[at];
      const limits = {
        gflopsCeiling: ceilings?.gflops,
        gbsCeiling: ceilings?.gbs,
      };
      const rounds = each.rows[at].milliseconds.length;
      const what = { architecture, ...shape, l0: l0[1], method, name };
      return { ...what, ...sum, steps: rounds, ...limits, loss, stages };
    });
  });
  const comments = head.map((line) => `# ${line}\r\n`).join("");
  return comments + stringify(rows, { columns: COLUMNS });
}

const COLUMNS = [
  ...["architecture", "n", "d", "m", "k", "l0", "method", "name", "steps", "milliseconds"],
  ...["fastest", "slowest", "samples", "ratio", "gflops", "gflopsCeiling", "gbs", "gbsCeiling"],
  ...["loss", "stages"],
];

/** Milliseconds per step from (step, time) pairs of progress reports; the first `warmup` are dropped. */
export function stepTimes(told: { step: number; time: number }[], warmup: number): number[] {
  return told.slice(1).flatMap(({ step, time }, at) => {
    const before = told[at];
    return before.step >= warmup ? [(time - before.time) / (step - before.step)] : [];
  });
}

/** Each stage's share of the time between two readings of a device's stage times, largest first. */
export function shareStages(
  before: Record<string, number>,
  after: Record<string, number>,
): Record<string, number> {
  const took = Object.entries(after).map(([name, time]) =>
    [name, time - (before[name] ?? 0)] as const
  );
  const total = took.reduce((sum, [, time]) => sum + time, 0);
  const sorted = took.toSorted(([, a], [, b]) => b - a);
  return Object.fromEntries(sorted.map(([name, time]) => [name, time / total]));
}

/** Stages with at least 2 % of the time, and the sum of the rest. */
function stageList(stages: Record<string, number>): string {
  const long = Object.entries(stages).filter(([, share]) => share >= 0.02);
  const other = 1 - long.reduce((sum, [, share]) => sum + share, 0);
  const shown = other >= 0.005 ? [...long, ["other", other] as const] : long;
  return shown.map(([stage, share]) => `${stage} ${(100 * share).toFixed(0)} %`).join(", ");
}

/** Three significant digits, but all digits before the point. */
function short(x: number): string {
  return x >= 100 ? x.toFixed(0) : x.toPrecision(3);
}

function rate(x: number, ceiling?: number): string {
  return ceiling === undefined ? short(x) : `${short(x)} (${(100 * x / ceiling).toFixed(0)} %)`;
}
