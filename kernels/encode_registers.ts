/**
 * Pre-activations of a batch, after ReLU: z[r, i] = max(0, x[r] · wEnc[i] + bEnc[i]).
 *
 * Each thread keeps a tile of `tileRows` × `tileLatents` sums in registers and reads both operands
 * straight from memory: the fastest shape on software adapters, where workgroup memory is ordinary
 * memory, and the only one that the OpenGL adapter compiles in reasonable time.
 *
 * Bindings: sizes {rows, latents, stride, first, firstRow}, x, wEnc [latents, d], bEnc, z [rows, stride].
 * Row r of z belongs to row firstRow + r of x, latent i of wEnc to element first + i of bEnc and of z's
 * rows.
 */
export function encodeRegisters(
  { d, tileRows, tileLatents }: { d: number; tileRows: number; tileLatents: number },
): string {
  const vector = d % 4 === 0;
  const element = vector ? "vec4f" : "f32";
  const steps = vector ? d / 4 : d;
  const rows = [...Array(tileRows).keys()];
  const latents = [...Array(tileLatents).keys()];
  const product = (a: string, b: string) => vector ? `dot(${a}, ${b})` : `${a} * ${b}`;
  return `
struct Sizes { rows: u32, latents: u32, stride: u32, first: u32, firstRow: u32 }
@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> x: array<${element}>;
@group(0) @binding(2) var<storage, read> w: array<${element}>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> z: array<f32>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let tile = (id.x + id.y * count.x) * 64u + lane;
  let across = (sizes.latents + ${tileLatents - 1}u) / ${tileLatents}u;
  let row = tile / across * ${tileRows}u;
  let latent = tile % across * ${tileLatents}u;
  if (row >= sizes.rows) { return; }
${
    rows.map((r) =>
      `  let x${r} = (sizes.firstRow + min(row + ${r}u, sizes.rows - 1u)) * ${steps}u;`
    ).join("\n")
  }
${
    latents.map((l) => `  let w${l} = min(latent + ${l}u, sizes.latents - 1u) * ${steps}u;`).join(
      "\n",
    )
  }
${rows.flatMap((r) => latents.map((l) => `  var s${r}_${l} = 0.0;`)).join("\n")}
  for (var c = 0u; c < ${steps}u; c++) {
${rows.map((r) => `    let a${r} = x[x${r} + c];`).join("\n")}
${
    latents.map((l) =>
      `    let b${l} = w[w${l} + c];\n` +
      rows.map((r) => `    s${r}_${l} += ${product(`a${r}`, `b${l}`)};`).join("\n")
    ).join("\n")
  }
  }
${
    latents.map((l) =>
      `  if (latent + ${l}u < sizes.latents) {
    let b = bias[sizes.first + latent + ${l}u];
    let at = row * sizes.stride + sizes.first + latent + ${l}u;
${
        rows.map((r) =>
          `    if (row + ${r}u < sizes.rows) { z[at + ${r}u * sizes.stride] = max(0.0, s${r}_${l} + b); }`
        ).join("\n")
      }
  }`
    ).join("\n")
  }
}`;
}
