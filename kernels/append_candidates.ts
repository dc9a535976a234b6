import { read, write } from "./define.ts";
import type { Factors } from "./dense_tiled.ts";
import type { Epilogue } from "./epilogues.ts";

/** Whose cut a pre-activation is compared with: the batch's, its row's or its latent's. */
export type CutOf = "batch" | "row" | "latent";

/** Words of a selection's `state`, which the GPU keeps: see lib/ops/select_screened.ts. */
export const STATE = {
  /** Candidates found; may be more than the list has room for. */
  count: 0,
  /** 1: screen once more, with another cut. */
  retry: 1,
  /** 1: the cut is taken from a sample of the rows. */
  sample: 2,
  /** 1: screening failed, every pre-activation is to be computed. */
  failed: 3,
} as const;

/**
 * What the bound and the list of candidates need to know, and vectors in a row, see `denseTiled`. `arithmetic` is γ, `tiny` what numbers below the
 * normal range add; see `screeningBound` of lib/ops/round_on_gpu.ts.
 */
const sizes = {
  vectors: "u32",
  first: "u32",
  capacity: "u32",
  arithmetic: "f32",
  tiny: "f32",
} as const;

/**
 * Appends the pairs {row, latent} whose pre-activation may reach its cut, by one atomic addition a
 * workgroup; their order is that of the workgroups, which nothing may depend on.
 *
 * `rowFacts` and `latentFacts` are {scale, error, norm, plain norm} of each row: what its rounded numbers are
 * multiplied by, ‖row − rounded‖, ‖row‖ with columns balanced, and ‖row‖. Then
 *   |x·w − x̂·ŵ| ≤ (‖x − x̂‖ + γ‖x‖) ‖w‖ + (‖x‖ + ‖x − x̂‖) ‖w − ŵ‖
 * by Cauchy and Schwarz. Nothing is ruled out for rows whose dots could overflow.
 *
 * Latent first + c is column c. `state` counts the candidates.
 */
export function appendCandidates({ cutOf, factors }: { cutOf: CutOf; factors: Factors }) {
  const rounded = factors !== "float32";
  const lowest = (cut: string) => `0.999999 * max(0.0, ${cut})`;
  const epilogue = {
    label: `screen ${cutOf}`,
    sizes,
    bind: {
      rowFacts: read("vec4f"),
      latentFacts: read("vec4f"),
      bias: read("f32"),
      cuts: read("f32"),
      state: write("atomic<u32>"),
      pairs: write("vec2u"),
    },
    globals: [
      "var<workgroup> candidates: atomic<u32>;",
      "var<workgroup> firstPlace: u32;",
    ],
    write: ({ rows, columns, sum, column }) => {
      const words = rows * columns / 32;
      const list = (count: number, line: (at: number) => string) =>
        Array.from({ length: count }, (_, at) => line(at)).join("\n");
      // Columns beyond the last have the last one's facts, and are masked below.
      const columnFacts = (v: number) =>
        `  let own${v} = min(${column(v)}, sizes.cols - 1u);
  let w${v} = latentFacts[own${v}];
  let b${v} = bias[sizes.first + own${v}];
  let up${v} = b${v} + 1e-6 * abs(b${v}) + sizes.tiny;
  let wild${v} = max(w${v}.z, w${v}.w) > 1e18;
  let in${v} = ${column(v)} < sizes.cols;${
          cutOf === "latent" ? `\n  let low${v} = ${lowest(`cuts[sizes.first + own${v}]`)};` : ""
        }`;
      const low = (v: number) => cutOf === "latent" ? `low${v}` : "low";
      const test = (r: number, v: number) => {
        const bit = r * columns + v;
        const estimate = rounded ? `f32(${sum(r, v)}) * (f.x * w${v}.x)` : sum(r, v);
        const bound = rounded
          ? `1.000001 * (missed * w${v}.z + norm * w${v}.y)`
          : `1.000001 * missed * w${v}.w`;
        return `      if (in${v} && (wild || wild${v} || ${estimate} + ${bound} + up${v} >= ${
          low(v)
        })) ` +
          `{ bits${bit >> 5} |= ${2 ** (bit & 31)}u; }`;
      };
      return `
${list(columns, columnFacts)}
${list(words, (w) => `  var bits${w} = 0u;`)}
${cutOf === "batch" ? `  let low = ${lowest("cuts[0]")};` : ""}
${
        list(rows, (r) =>
          `  if (row + ${r}u < sizes.rows) {
      let f = rowFacts[row + ${r}u];
      let wild = max(f.z, f.w) > 1e18;
${
            rounded
              ? `      let missed = f.y + sizes.arithmetic * f.z;
      let norm = f.z + f.y;`
              : "      let missed = sizes.arithmetic * f.w;"
          }
${cutOf === "row" ? `      let low = ${lowest(`cuts[row + ${r}u]`)};` : ""}
${list(columns, (v) => test(r, v))}
  }`)
      }
  var at = atomicAdd(&candidates, ${
        Array.from({ length: words }, (_, w) => `countOneBits(bits${w})`).join(" + ")
      });
  workgroupBarrier();
  if (lane == 0u) {
    // Where the list is full it is enough to know that: the count must not run over.
    let all = atomicLoad(&candidates);
    var base = atomicLoad(&state[${STATE.count}]);
    if (all > 0u && base <= sizes.capacity) { base = atomicAdd(&state[${STATE.count}], all); }
    firstPlace = base;
  }
  at += workgroupUniformLoad(&firstPlace);
  let next = ${column(1)} - (${column(0)});
${
        list(words, (w) =>
          `  for (var left = bits${w}; left != 0u && at < sizes.capacity; left &= left - 1u) {
    let bit = ${32 * w}u + firstTrailingBit(left);
    pairs[at] = vec2u(row + bit / ${columns}u, sizes.first + ${
            column(0)
          } + bit % ${columns}u * next);
    at++;
  }`)
      }`;
    },
  } satisfies Epilogue;
  return epilogue;
}
