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
 * Each of 64 lanes owns a run of columns, or of the list, so that order needs one exchange between lanes.
 *
 * Bindings: sizes {rows, cols, firstRow, firstOut, capacity}, z [rows, cols], offsets, latents,
 * values, threshold, then but for mode "latent" quota, in modes "batch" and "row" step {step},
 * lastActive and stats {…, smallest}, in mode "dead" the list {count, latents…}. One workgroup a row.
 */
export function writeRows({ mode }: { mode: "batch" | "row" | "dead" | "latent" }): string {
  const integers = mode !== "latent";
  const notes = mode === "batch" || mode === "row";
  const listed = mode === "dead";
  const latentOf = `let latent = ${listed ? "dead[1u + i]" : "i"};`;
  const above = integers ? "value > limit" : "bitcast<f32>(value) > threshold[latent]";
  return `
struct Sizes { rows: u32, cols: u32, firstRow: u32, firstOut: u32, capacity: u32 }
struct Step { step: u32 }
@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> z: array<u32>;
@group(0) @binding(2) var<storage, read> offsets: array<u32>;
@group(0) @binding(3) var<storage, read_write> latents: array<u32>;
@group(0) @binding(4) var<storage, read_write> values: array<u32>;
@group(0) @binding(5) var<storage, read> threshold: array<${integers ? "u32" : "f32"}>;
${integers ? "@group(0) @binding(6) var<storage, read> quota: array<u32>;" : ""}
${
    notes
      ? `@group(0) @binding(7) var<uniform> step: Step;
@group(0) @binding(8) var<storage, read_write> lastActive: array<atomic<u32>>;
@group(0) @binding(9) var<storage, read_write> stats: array<atomic<u32>>;`
      : ""
  }
${listed ? "@group(0) @binding(7) var<storage, read> dead: array<u32>;" : ""}
var<workgroup> aboves: array<u32, 64>;
var<workgroup> equals: array<u32, 64>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = id.x + id.y * count.x;
  if (row >= sizes.rows) { return; }
  let start = offsets[sizes.firstOut + row];
  if (start == offsets[sizes.firstOut + row + 1u]) { return; }
  ${integers ? `let limit = threshold[${mode === "batch" ? "0" : "sizes.firstRow + row"}];` : ""}
  let candidates = ${listed ? "dead[0]" : "sizes.cols"};
  let each = (candidates + 63u) / 64u;
  let begin = min(lane * each, candidates);
  let stop = min(begin + each, candidates);
  var own = vec2u();
  for (var i = begin; i < stop; i++) {
    ${latentOf}
    let value = z[row * sizes.cols + latent];
    if (value != 0u) {
      if (${above}) { own.x++; }
      ${integers ? "else if (value == limit) { own.y++; }" : ""}
    }
  }
  aboves[lane] = own.x;
  equals[lane] = own.y;
  workgroupBarrier();
  var before = vec2u();
  for (var i = 0u; i < lane; i++) { before += vec2u(aboves[i], equals[i]); }
  ${integers ? "let share = quota[sizes.firstRow + row];" : "let share = 0u;"}
  var at = start + before.x + min(before.y, share);
  var rank = before.y;
  if (own.x + own.y == 0u) { return; }
  ${notes ? "var largest = 0u;" : ""}
  for (var i = begin; i < stop; i++) {
    ${latentOf}
    let value = z[row * sizes.cols + latent];
    if (value != 0u) {
      var keep = ${above};
      ${integers ? "if (value == limit) { keep = rank < share; rank++; }" : ""}
      if (keep && at < sizes.capacity) {
        latents[at] = latent;
        values[at] = value;
        at++;
${
    notes
      ? `        atomicStore(&lastActive[latent], step.step);
        largest = max(largest, ~value);`
      : ""
  }
      }
    }
  }
  ${notes ? "atomicMax(&stats[1], largest);" : ""}
}`;
}
