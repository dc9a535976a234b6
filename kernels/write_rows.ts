/**
 * Writes what each row of z keeps as sparse rows, in ascending order of latent.
 *
 * - mode "batch": above the batch's threshold, and the row's quota of numbers equal to it. Also notes
 *   that the latent is active in this step and the smallest number kept (as the largest complement of
 *   its bits, so that zero means none).
 * - mode "row": the same, with a threshold of the row's own.
 * - mode "dead": above the row's own threshold, and its quota of equals, among a list of latents;
 *   notes nothing.
 * - mode "latent": above the latent's own threshold.
 *
 * Each of `lanes` lanes owns a run of up to 32 columns, or of the list, and marks what it finds as
 * bits, so that order needs one exchange between lanes and z is read once. 64 are for hardware; 8, as
 * many as llvmpipe runs at once, take a third of the time there. `vector`: columns divide by four and
 * are read four at once.
 *
 * Bindings: sizes {rows, cols, firstRow, firstOut, capacity}, z [rows, cols], offsets, latents,
 * values, threshold, then but for mode "latent" quota, in modes "batch" and "row" step {step},
 * lastActive and stats {…, smallest}, in mode "dead" the list {count, latents…}. One workgroup a row.
 */
export function writeRows(
  { mode, lanes, vector = false }: {
    mode: "batch" | "row" | "dead" | "latent";
    lanes: 8 | 64;
    vector?: boolean;
  },
): string {
  const own = mode === "latent";
  const notes = mode === "batch" || mode === "row";
  const listed = mode === "dead";
  const width = vector ? 4 : 1;
  const [numbers, floats] = vector ? ["vec4u", "vec4f"] : ["u32", "f32"];
  const number = (at: string) => vector ? `z[(${at}) / 4u][(${at}) % 4u]` : `z[${at}]`;
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
struct Sizes { rows: u32, cols: u32, firstRow: u32, firstOut: u32, capacity: u32 }
struct Step { step: u32 }
@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> z: array<${numbers}>;
@group(0) @binding(2) var<storage, read> offsets: array<u32>;
@group(0) @binding(3) var<storage, read_write> latents: array<u32>;
@group(0) @binding(4) var<storage, read_write> values: array<u32>;
@group(0) @binding(5) var<storage, read> threshold: array<${own ? floats : "u32"}>;
${own ? "" : "@group(0) @binding(6) var<storage, read> quota: array<u32>;"}
${
    notes
      ? `@group(0) @binding(7) var<uniform> step: Step;
@group(0) @binding(8) var<storage, read_write> lastActive: array<atomic<u32>>;
@group(0) @binding(9) var<storage, read_write> stats: array<atomic<u32>>;`
      : ""
  }
${listed ? "@group(0) @binding(7) var<storage, read> dead: array<u32>;" : ""}
var<workgroup> counts: array<u32, ${lanes}>;

@compute @workgroup_size(${lanes})
fn main(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = id.x + id.y * count.x;
  if (row >= sizes.rows) { return; }
  let start = offsets[sizes.firstOut + row];
  if (start == offsets[sizes.firstOut + row + 1u]) { return; }
  ${own ? "" : `let limit = threshold[${mode === "batch" ? "0" : "sizes.firstRow + row"}];`}
  let share = ${own ? "0u" : "quota[sizes.firstRow + row]"};
  let candidates = ${listed ? "dead[0]" : "sizes.cols"};
  let each = min(32u, (candidates + ${lanes * width - 1}u) / ${lanes * width}u * ${width}u);
  // Numbers above the limit and equal to it in the tiles before.
  var passed = vec2u();
  ${notes ? "var largest = 0u;" : ""}
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
    counts[lane] = countOneBits(above) | countOneBits(equal) << 16u;
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
    own ? "" : `if ((equal >> bit & 1u) != 0u) {
        rank++;
        if (rank > share) { continue; }
      }`
  }
      if (at >= sizes.capacity) { break; }
      let latent = ${latentOf("begin + bit")};
      let value = ${number("row * sizes.cols + latent")};
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
  ${notes ? "if (largest != 0u) { atomicMax(&stats[1], largest); }" : ""}
}`;
}
