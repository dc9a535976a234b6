import { read, write } from "./define.ts";
import type { Factors } from "./dense_tiled.ts";
import type { Epilogue, ThreadTile } from "./epilogues.ts";
import { countColumns, latentOf } from "./listed_columns.ts";

/** Whose cut a pre-activation is compared with: the batch's, its row's or its latent's. */
export type CutOf = "batch" | "row" | "latent";

/** Words of a selection's `state` on the GPU; see lib/ops/candidates.ts. */
export const STATE = {
  /** Number of candidates; may be above the list's capacity. */
  count: 0,
  /** 1: screen again, with another cut. */
  retry: 1,
  /** 1: compute the cut from a sample of the rows. */
  sample: 2,
  /** 1: screening failed, compute all pre-activations. */
  failed: 3,
} as const;

/** Sizes of every screening: vectors per row, see `denseTiled`, and the shard's first latent. */
export const screeningSizes = { vectors: "u32", first: "u32" } as const;

/** Bindings of every screening: {scale, error, norm, bias} of rows and latents, see `roundRows`. */
export const screeningFacts = { rowFacts: read("vec4f"), latentFacts: read("vec4f") };

/** WGSL that declares the facts `w0`, … of a thread's columns, and `in0`, …: whether they exist. */
export const columnFacts = (
  { columns, column }: Pick<ThreadTile, "columns" | "column">,
  { listed, all, more = () => "" }: {
    listed: boolean;
    all?: string;
    more?: (v: number) => string;
  },
): string => `
${listed ? "" : countColumns(false, { latents: "sizes.cols", all })}
${
  Array.from({ length: columns }, (_, v) =>
    `  let latent${v} = ${latentOf(listed, `min(${column(v)}, cols - 1u)`)};
  let w${v} = latentFacts[latent${v} - sizes.first];
  let in${v} = ${column(v)} < cols;${more(v)}`).join("\n")
}`;

/**
 * Appends the pairs {row, latent} whose pre-activation may reach its cut, with one atomic addition per
 * workgroup. Their order depends on the order of workgroups, so no result may depend on it. `state` counts
 * them.
 *
 * Facts are {scale, error, norm, bias}: the scale of a row's rounded numbers, ‖row − rounded‖ and ‖row‖ of
 * the balanced row, and the bias. By Cauchy–Schwarz, with γ = `arithmetic`,
 *   |x·w − x̂·ŵ| ≤ (‖x − x̂‖ + γ‖x‖) ‖w‖ + (‖x‖ + ‖x − x̂‖) ‖w − ŵ‖;
 * `tiny` is the error of numbers below the normal range, see `screeningBound` of lib/ops/round_on_gpu.ts.
 * Nothing is ruled out for rows whose dots could overflow.
 */
export function appendCandidates(
  { cutOf, factors, listed = false }: { cutOf: CutOf; factors: Factors; listed?: boolean },
) {
  const rounded = factors !== "float32";
  const lowest = (cut: string) => `0.999999 * max(0.0, ${cut})`;
  const epilogue = {
    label: `screen ${cutOf}`,
    sizes: { ...screeningSizes, capacity: "u32", arithmetic: "f32", tiny: "f32" },
    bind: {
      ...screeningFacts,
      cuts: read("f32"),
      state: write("atomic<u32>"),
      pairs: write("vec2u"),
    },
    globals: [
      "var<workgroup> candidates: atomic<u32>;",
      "var<workgroup> firstPlace: u32;",
    ],
    write: ({ rows, columns, sum, column }: ThreadTile) => {
      const words = rows * columns / 32;
      const each = (count: number, line: (at: number) => string) =>
        Array.from({ length: count }, (_, at) => line(at)).join("\n");
      const more = (v: number) => `
  let up${v} = w${v}.w + 1e-6 * abs(w${v}.w) + sizes.tiny;
  let wild${v} = w${v}.z > 1e18;${
        cutOf === "latent" ? `\n  let low${v} = ${lowest(`cuts[latent${v}]`)};` : ""
      }`;
      const low = (v: number) => cutOf === "latent" ? `low${v}` : "low";
      const test = (r: number, v: number) => {
        const bit = r * columns + v;
        const estimate = rounded ? `f32(${sum(r, v)}) * (f.x * w${v}.x)` : sum(r, v);
        const bound = rounded
          ? `1.000001 * (missed * w${v}.z + norm * w${v}.y)`
          : `1.000001 * missed * w${v}.z`;
        return `    if (in${v} && (wild || wild${v} || ` +
          `${estimate} + ${bound} + up${v} >= ${low(v)})) ` +
          `{ bits${bit >> 5} |= ${2 ** (bit & 31)}u; }`;
      };
      return `${columnFacts({ columns, column }, { listed, more })}
${each(words, (w) => `  var bits${w} = 0u;`)}
${cutOf === "batch" ? `  let low = ${lowest("cuts[0]")};` : ""}
${
        each(rows, (r) =>
          `  if (row + ${r}u < sizes.rows) {
    let f = rowFacts[row + ${r}u];
    let wild = f.z > 1e18;
${
            rounded
              ? `    let missed = f.y + sizes.arithmetic * f.z;
    let norm = f.z + f.y;`
              : "    let missed = sizes.arithmetic * f.z;"
          }
${cutOf === "row" ? `    let low = ${lowest(`cuts[row + ${r}u]`)};` : ""}
${each(columns, (v) => test(r, v))}
  }`)
      }
  var at = atomicAdd(&candidates, ${
        Array.from({ length: words }, (_, w) => `countOneBits(bits${w})`).join(" + ")
      });
  workgroupBarrier();
  if (lane == 0u) {
    // Where there is no room it is enough to know that: the count must not run over.
    let all = atomicLoad(&candidates);
    var base = atomicLoad(&state[${STATE.count}]);
    if (all > 0u && base <= sizes.capacity) { base = atomicAdd(&state[${STATE.count}], all); }
    firstPlace = base;
  }
  at += workgroupUniformLoad(&firstPlace);
  let next = ${column(1)} - (${column(0)});
${
        each(words, (w) =>
          `  for (var left = bits${w}; left != 0u && at < sizes.capacity; left &= left - 1u) {
    let bit = ${32 * w}u + firstTrailingBit(left);
    let found = ${column(0)} + bit % ${columns}u * next;
    pairs[at] = vec2u(row + bit / ${columns}u, ${latentOf(listed, "found")});
    at++;
  }`)
      }`;
    },
  } as const satisfies Epilogue;
  return epilogue;
}
