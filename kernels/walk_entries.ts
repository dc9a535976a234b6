/**
 * Walks the entries of each row in their order. Entry j meets the residual r of its row, notes dots[j] =
 * r · w[places[j]], and leaves r − values[j] · w[places[j]] to the next. With `restart`, an entry whose
 * place has the top bit set begins with the row of `base` again.
 *
 * What an entry leaves does not depend on its dot, so the lanes only meet once every 32 entries, to add
 * their shares up: 64 lanes of one workgroup a row, each with a column of every 64.
 *
 * Bindings: sizes {rows}, offsets, places, values, w [latents, d], residual [rows, d], dots, and with
 * `restart` base [rows, d].
 */
export function walkEntries({ d, restart }: { d: number; restart: boolean }): string {
  const columns = [...Array(Math.ceil(d / 64)).keys()];
  const guard = (j: number, line: string) =>
    j * 64 + 64 <= d ? line : `if (lane + ${j * 64}u < ${d}u) { ${line} }`;
  const each = (line: (j: number) => string, indent: string) =>
    columns.map((j) => indent + guard(j, line(j))).join("\n");
  return `
struct Sizes { rows: u32 }
@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> offsets: array<u32>;
@group(0) @binding(2) var<storage, read> places: array<u32>;
@group(0) @binding(3) var<storage, read> values: array<f32>;
@group(0) @binding(4) var<storage, read> w: array<f32>;
@group(0) @binding(5) var<storage, read_write> residual: array<f32>;
@group(0) @binding(6) var<storage, read_write> dots: array<f32>;
${restart ? "@group(0) @binding(7) var<storage, read> base: array<f32>;" : ""}
// 65 apart: at 64 all lanes that add up would hit the same bank of memory.
var<workgroup> shares: array<f32, 2080>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = id.x + id.y * count.x;
  if (row >= sizes.rows) { return; }
  let end = offsets[row + 1u];
  let own = row * ${d}u + lane;
${columns.map((j) => `  var r${j} = 0.0;`).join("\n")}
${each((j) => `r${j} = residual[own + ${j * 64}u];`, "  ")}
  for (var first = offsets[row]; first < end; first += 32u) {
    let taken = min(32u, end - first);
    for (var i = 0u; i < taken; i++) {
      let place = places[first + i];
${
    restart
      ? `      if ((place & 0x80000000u) != 0u) {
${each((j) => `r${j} = base[own + ${j * 64}u];`, "        ")}
      }`
      : ""
  }
      let at = (place & 0x7fffffffu) * ${d}u + lane;
      let value = values[first + i];
      var share = 0.0;
${
    each((j) => {
      const w = `let w${j} = w[at + ${j * 64}u];`;
      return `{ ${w} share += r${j} * w${j}; r${j} -= value * w${j}; }`;
    }, "      ")
  }
      shares[i * 65u + lane] = share;
    }
    workgroupBarrier();
    if (lane < taken) {
      var sum = 0.0;
      for (var i = 0u; i < 64u; i++) { sum += shares[lane * 65u + i]; }
      dots[first + lane] = sum;
    }
    workgroupBarrier();
  }
${each((j) => `residual[own + ${j * 64}u] = r${j};`, "  ")}
}`;
}
