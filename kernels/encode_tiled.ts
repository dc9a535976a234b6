/**
 * Pre-activations of a batch, after ReLU, like `encodeLanes`, for hardware adapters: a workgroup
 * of 256 threads computes 128 × 128 outputs, 8 × 8 a thread, and stages both operands in 8 KiB of
 * workgroup memory, 8 columns at a time, transposed so that a thread's 8 numbers are two vectors.
 *
 * Bindings: sizes {rows, latents, stride, first, firstRow}, x, wEnc [latents, d], bEnc, z [rows, stride].
 * Row r of z belongs to row firstRow + r of x, latent i of wEnc to element first + i of bEnc and of z's
 * rows.
 */
export function encodeTiled({ d }: { d: number }): string {
  const eight = [...Array(8).keys()];
  const vector = d % 4 === 0;
  // Columns past d read as zero, so that the last stage of an odd width adds nothing.
  const load = (matrix: string, row: string) =>
    vector
      ? `select(vec4f(), ${matrix}[${row} * ${d / 4}u + min(c / 4u, ${d / 4 - 1}u)], c < ${d}u)`
      : `vec4f(${
        [0, 1, 2, 3].map((j) =>
          `select(0.0, ${matrix}[${row} * ${d}u + min(c + ${j}u, ${d - 1}u)], c + ${j}u < ${d}u)`
        ).join(", ")
      })`;
  const element = vector ? "vec4f" : "f32";
  return `
struct Sizes { rows: u32, latents: u32, stride: u32, first: u32, firstRow: u32 }
@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> x: array<${element}>;
@group(0) @binding(2) var<storage, read> w: array<${element}>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> z: array<f32>;
var<workgroup> tileX: array<vec4f, 256>;
var<workgroup> tileW: array<vec4f, 256>;

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let tile = id.x + id.y * count.x;
  let across = (sizes.latents + 127u) / 128u;
  let row0 = tile / across * 128u;
  let latent0 = tile % across * 128u;
  if (row0 >= sizes.rows) { return; }
  let loadLine = lane % 128u;
  let loadColumn = lane / 128u * 4u;
  let xRow = sizes.firstRow + min(row0 + loadLine, sizes.rows - 1u);
  let wRow = min(latent0 + loadLine, sizes.latents - 1u);
  let down = lane / 16u;
  let right = lane % 16u;
${eight.map((r) => `  var s${r}l = vec4f(); var s${r}h = vec4f();`).join("\n")}
  for (var base = 0u; base < ${d}u; base += 8u) {
    let c = base + loadColumn;
    let fromX = ${load("x", "xRow")};
    let fromW = ${load("w", "wRow")};
    workgroupBarrier();
${
    [0, 1, 2, 3].map((j) =>
      `    tileX[(loadColumn + ${j}u) * 32u + loadLine / 4u][loadLine % 4u] = fromX[${j}];\n` +
      `    tileW[(loadColumn + ${j}u) * 32u + loadLine / 4u][loadLine % 4u] = fromW[${j}];`
    ).join("\n")
  }
    workgroupBarrier();
${
    eight.map((c) =>
      `    {
      let al = tileX[${c * 32}u + down * 2u]; let ah = tileX[${c * 32 + 1}u + down * 2u];
      let bl = tileW[${c * 32}u + right * 2u]; let bh = tileW[${c * 32 + 1}u + right * 2u];
${
        eight.map((r) => {
          const a = `${r < 4 ? "al" : "ah"}[${r % 4}]`;
          return `      s${r}l += ${a} * bl; s${r}h += ${a} * bh;`;
        }).join("\n")
      }
    }`
    ).join("\n")
  }
  }
  let row = row0 + down * 8u;
  let latent = latent0 + right * 8u;
${
    eight.map((l) =>
      `  if (latent + ${l}u < sizes.latents) {
    let b = bias[sizes.first + latent + ${l}u];
    let at = row * sizes.stride + sizes.first + latent + ${l}u;
${
        eight.map((r) => {
          const sum = `s${r}${l < 4 ? "l" : "h"}[${l % 4}]`;
          return `    if (row + ${r}u < sizes.rows) { z[at + ${r}u * sizes.stride] = max(0.0, ${sum} + b); }`;
        }).join("\n")
      }
  }`
    ).join("\n")
  }
}`;
}
