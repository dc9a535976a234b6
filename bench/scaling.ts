// How time and memory of a training step grow with the batch n, the dictionary size m, the active latents k and
// the width d, one of them at a time:
//   deno task bench:scaling [--device cpu] [--base 2048,256,4096,32] [--steps 4] [--csv FILE] [--svg FILE]
import { parseArgs } from "@std/cli";
import { stringify } from "@std/csv";
import { type DeviceOptions, openDevice } from "../mod.ts";
import { linePlot } from "../lib/report/line_plot.ts";
import { median } from "./peer.ts";
import { makeInputs, runOurs } from "./step_case.ts";
import { parseShapes, type Shape } from "./step_table.ts";

const text = parseArgs(Deno.args, { string: ["device", "base", "steps", "csv", "svg"] });
const [base] = parseShapes(text.base ?? "2048,256,4096,32");
const steps = Number(text.steps ?? 4);
const factors = {
  n: [1 / 4, 1 / 2, 1, 2, 4],
  m: [1 / 4, 1, 4, 8],
  k: [1 / 4, 1, 4],
  d: [1 / 2, 1, 2, 4],
};

using device = await openDevice({ device: (text.device ?? "auto") as DeviceOptions["device"] });
const rows: {
  varied: string;
  n: number;
  d: number;
  m: number;
  k: number;
  ms: string;
  MB: string;
}[] = [];
console.log(`${device.name}, BatchTopK, ${steps} steps each; load ${Deno.loadavg()[0].toFixed(1)}`);
console.log(
  ["varied", "n", "d", "m", "k", "ms/step", "MB"].map((name) => name.padStart(9)).join(""),
);
for (const varied of ["n", "m", "k", "d"] as const) {
  for (const factor of factors[varied]) {
    const shape: Shape = { ...base, [varied]: Math.round(base[varied] * factor) };
    const inputs = makeInputs(shape, "batchtopk", shape.k, 1000);
    let bytes = 0;
    const timer = setInterval(() => bytes = Math.max(bytes, device.allocated), 5);
    const { milliseconds } = await runOurs(device, inputs, steps, 1);
    clearInterval(timer);
    const { n, d, m, k } = shape;
    const [ms, MB] = [median(milliseconds).toFixed(1), (bytes / 1e6).toFixed(0)];
    rows.push({ varied, n, d, m, k, ms, MB });
    console.log([varied, n, d, m, k, ms, MB].map((cell) => String(cell).padStart(9)).join(""));
  }
}
if (text.csv) {
  await Deno.writeTextFile(text.csv, stringify(rows, { columns: Object.keys(rows[0]) }));
}
if (text.svg) {
  const { svg } = await linePlot(
    (["n", "m", "k", "d"] as const).map((varied) => {
      const own = rows.filter((row) => row.varied === varied);
      return {
        label: `${varied} (1 is ${base[varied]})`,
        x: own.map((row) => row[varied] / base[varied]),
        y: own.map((row) => Number(row.ms)),
      };
    }),
    {
      ...{
        name: "scaling",
        title: "Time of a training step as one size grows",
        logX: true,
        logY: true,
      },
      ...{ xLabel: "size, times that of the base", yLabel: "ms", dots: true },
      xTicks: [0.25, 0.5, 1, 2, 4, 8],
      description:
        `BatchTopK on ${device.name}; base n ${base.n}, d ${base.d}, m ${base.m}, k ${base.k}.`,
    },
  );
  await Deno.writeTextFile(text.svg, svg);
}
