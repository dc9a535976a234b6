import { defineKernel, read, write } from "./define.ts";
import { elements, step } from "./prelude.ts";

/** How rows are written. */
interface Options {
  /**
   * Each of them owns a run of up to 32 columns, or of the list, and marks what it finds as bits, so that
   * order needs one exchange between lanes and z is read once. 64 are for hardware; 8, as many as llvmpipe
   * runs at once, take a third of the time there.
   */
  lanes: 8 | 64;
  /** Whether columns divide by four and are read four at once. */
  vector?: boolean;
}

const sizes = { rows: "u32", cols: "u32", firstOut: "u32", capacity: "u32" } as const;

const bindings = (vector = false, threshold = "u32") => ({
  z: read(elements(vector).integers),
  offsets: read("u32"),
  latents: write("u32"),
  values: write("u32"),
  threshold: read(threshold),
});

const counts = (lanes: number) => [`var<workgroup> counts: array<u32, ${lanes}>;`];

/**
 * Writes what each row of z [rows, cols] keeps as sparse rows, in ascending order of latent: what is above
 * the batch's threshold, and the row's quota of numbers equal to it; with `perRow` each row has a
 * threshold of its own. Also notes that the latent is active in this step and in stats[1] the smallest
 * number kept (as the largest complement of its bits, so that zero means none). One workgroup a row.
 */
export const writeKept = ({ perRow, lanes, vector }: Options & { perRow: boolean }) =>
  defineKernel({
    label: "write rows",
    sizes: { ...sizes, firstRow: "u32" },
    bind: {
      ...bindings(vector),
      quota: read("u32"),
      step,
      lastActive: write("atomic<u32>"),
      stats: write("atomic<u32>"),
    },
    workgroup: lanes,
    globals: counts(lanes),
    body: body(perRow ? "row" : "batch", lanes, vector),
  });

/**
 * The same for the latents of the list `dead` {count, latents…}, with a threshold of each row's own; notes
 * nothing.
 */
export const writeDead = ({ lanes }: { lanes: 8 | 64 }) =>
  defineKernel({
    label: "write dead",
    sizes: { ...sizes, firstRow: "u32" },
    bind: { ...bindings(), quota: read("u32"), dead: read("u32") },
    workgroup: lanes,
    globals: counts(lanes),
    body: body("dead", lanes),
  });

/** The same for what is above each latent's own threshold; notes nothing. */
export const writeAboveThreshold = ({ lanes, vector = false }: Options) =>
  defineKernel({
    label: "write rows above thresholds",
    sizes,
    bind: bindings(vector, elements(vector).floats),
    workgroup: lanes,
    globals: counts(lanes),
    body: body("latent", lanes, vector),
  });

function body(mode: "batch" | "row" | "dead" | "latent", lanes: number, vector = false): string {
  const own = mode === "latent";
  const notes = mode === "batch" || mode === "row";
  const listed = mode === "dead";
  const { width, floats, integers: numbers, number } = elements(vector);
  const bits = vector ? "vec4u(1u, 2u, 4u, 8u)" : "1u";
  const mark = (name: string, condition: string) =>
    vector
      ? `{
        let marks = select(vec4u(), ${bits}, ${condition});
        ${name} |= (marks.x | marks.y | marks.z | marks.w) << i;
      }`
      : `${name} |= select(0u, 1u, ${condition}) << i;`;
  const latentOf = (at: string) => listed ? `dead[1u + ${at}]` : at;
  return `
  let row = group;
  if (row >= sizes.rows) { return; }
  let start = offsets[sizes.firstOut + row];
  if (start == offsets[sizes.firstOut + row + 1u]) { return; }
  let limit = ${own ? "0u" : `threshold[${mode === "batch" ? "0" : "sizes.firstRow + row"}]`};
  let share = ${own ? "0u" : "quota[sizes.firstRow + row]"};
  let candidates = ${listed ? "dead[0]" : "sizes.cols"};
  let each = min(32u, (candidates + ${lanes * width - 1}u) / ${lanes * width}u * ${width}u);
  // Numbers above the limit and equal to it in the tiles before.
  var passed = vec2u();
  var largest = 0u;
  for (var tile = 0u; tile < candidates; tile += ${lanes}u * each) {
    let begin = tile + lane * each;
    var above = 0u;
    var equal = 0u;
    for (var i = 0u; i < each && begin + i < candidates; i += ${width}u) {
      let value = z[(row * sizes.cols + ${latentOf("begin + i")}) / ${width}u];
      ${
    own
      ? mark(
        "above",
        `(bitcast<${floats}>(value) > threshold[(begin + i) / ${width}u]) & ` +
          `(value != ${numbers}())`,
      )
      : `${mark("above", `value > ${numbers}(limit)`)}
      ${mark("equal", `(value == ${numbers}(limit)) & (value != ${numbers}())`)}`
  }
    }
    // At most 64 · 32 of each kind in a tile.
    counts[lane] = countOneBits(above) | (countOneBits(equal) << 16u);
    workgroupBarrier();
    var before = 0u;
    for (var i = 0u; i < lane; i++) { before += counts[i]; }
    var all = before;
    for (var i = lane; i < ${lanes}u; i++) { all += counts[i]; }
    workgroupBarrier();
    var rank = passed.y + (before >> 16u);
    var at = start + passed.x + (before & 0xffffu) + min(rank, share);
    passed += vec2u(all & 0xffffu, all >> 16u);
    for (var left = above | equal; left != 0u; left &= left - 1u) {
      let bit = firstTrailingBit(left);
      ${
    own ? "" : `if (((equal >> bit) & 1u) != 0u) {
        rank++;
        if (rank > share) { continue; }
      }`
  }
      if (at >= sizes.capacity) { break; }
      let latent = ${latentOf("begin + bit")};
      let value = ${number("z", "row * sizes.cols + latent")};
      latents[at] = latent;
      values[at] = value;
      at++;
${
    notes
      ? `      atomicStore(&lastActive[latent], step.step);
      largest = max(largest, ~value);`
      : ""
  }
    }
  }
  ${notes ? "if (largest != 0u) { atomicMax(&stats[1], largest); }" : ""}`;
}
