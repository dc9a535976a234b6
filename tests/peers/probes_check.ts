// The logistic regression that sparse probes rest on, beside scikit-learn's.
import { join } from "@std/path";
import { fitLogistic } from "../../lib/interpretation/logistic_regression.ts";
import { createRandom } from "../../lib/random.ts";
import type { Peers, Row } from "./peer.ts";
import { relativeNorm } from "./stream_rows.ts";

export const title = "Logistic regressions of sparse probes, beside scikit-learn";

export async function* check({ folder, python }: Peers): AsyncGenerator<Row> {
  const problems = [
    { rows: 400, cols: 1, c: 1 },
    { rows: 400, cols: 16, c: 1 },
    { rows: 400, cols: 16, c: 0.001 },
    { rows: 300, cols: 200, c: 100 },
  ];
  const { uniform } = createRandom(5);
  const made = problems.map(({ rows, cols, c }) => {
    // Activations of latents are rare, positive, and of very different sizes.
    const data = Float32Array.from(
      { length: rows * cols },
      (_, i) => uniform() < 0.3 ? uniform() * 10 ** (i % cols % 3 - 1) : 0,
    );
    const y = Float32Array.from(
      { length: rows },
      (_, r) => data[r * cols] + 0.5 * uniform() > 0.3 ? 1 : 0,
    );
    return { x: { data, rows, cols }, y, c };
  });
  for (const [i, { x, y }] of made.entries()) {
    await Deno.writeFile(join(folder, `${i}.x.f32`), new Uint8Array(x.data.buffer));
    await Deno.writeFile(join(folder, `${i}.y.f32`), new Uint8Array(y.buffer));
  }
  await Deno.writeTextFile(join(folder, "problems.json"), JSON.stringify(problems));
  const wanted = await python("sklearn_logistic.py", [folder]) as number[][];
  for (const [i, { x, y, c }] of made.entries()) {
    const { weights, bias } = fitLogistic(x, y, { c });
    yield {
      check: `${x.rows} samples, ${x.cols} features, C ${c}`,
      difference: relativeNorm([...weights, bias], wanted[i]),
      limit: 1e-5,
      note: "relative norm of weights and bias",
    };
  }
}
