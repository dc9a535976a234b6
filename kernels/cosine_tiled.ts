/** Rows and columns of the tile of one workgroup of `cosineTiled`. */
export const TILE = 128;

/**
 * Cosines of unit rows with unit columns, for hardware adapters: a workgroup of 256 threads computes
 * 128 × 128 of them, 8 × 8 a thread, and stages both operands in 8 KiB of workgroup memory, 8 numbers a
 * line at a time, as `encodeTiled` does.
 *
 * - mode "maxima": the largest cosine of each row in a tile, and its column (the lowest of equals);
 *   −2 where there is none.
 * - mode "edges": a bit for each cosine that reaches the threshold; bit r · 8 + v of a thread's 64 is its
 *   row r, column v.
 *
 * Bindings: sizes {rows, cols, firstRow, firstCol, steps, skipSame, threshold}, rows and columns (panels of 128
 * lines: element (p · steps + c) · 128 + j holds numbers 4c … 4c + 3 of line j of panel p), then values
 * and indices [rows, tiles across], or words [tiles, 256, 2]. Tile t compares row panel t / across with
 * column panel t % across.
 */
export function cosineTiled({ mode }: { mode: "maxima" | "edges" }): string {
  const eight = [...Array(8).keys()];
  // Vectors past the last read as zero, so that the last stage of an odd number adds nothing.
  const load = (lines: string, panel: string) =>
    `select(vec4f(), ${lines}[(${panel} * sizes.steps + min(c, sizes.steps - 1u)) * ${TILE}u + ` +
    `loadLine], c < sizes.steps)`;
  return `
struct Sizes {
  rows: u32, cols: u32, firstRow: u32, firstCol: u32, steps: u32, skipSame: u32, threshold: f32,
}
@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> rows: array<vec4f>;
@group(0) @binding(2) var<storage, read> columns: array<vec4f>;
${
    mode === "maxima"
      ? `@group(0) @binding(3) var<storage, read_write> values: array<f32>;
@group(0) @binding(4) var<storage, read_write> indices: array<u32>;
var<workgroup> laneBest: array<f32, 1024>;
var<workgroup> laneWhich: array<u32, 1024>;`
      : "@group(0) @binding(3) var<storage, read_write> words: array<u32>;"
  }
var<workgroup> tileA: array<vec4f, 256>;
var<workgroup> tileB: array<vec4f, 256>;

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let tile = id.x + id.y * count.x;
  let across = (sizes.cols + ${TILE - 1}u) / ${TILE}u;
  let rowPanel = tile / across;
  let colPanel = tile % across;
  if (rowPanel * ${TILE}u >= sizes.rows) { return; }
  let loadLine = lane % ${TILE}u;
  let loadStep = lane / ${TILE}u;
  let down = lane / 16u;
  let right = lane % 16u;
${eight.map((r) => `  var s${r}l = vec4f(); var s${r}h = vec4f();`).join("\n")}
  for (var base = 0u; base < sizes.steps; base += 2u) {
    let c = base + loadStep;
    let fromA = ${load("rows", "rowPanel")};
    let fromB = ${load("columns", "colPanel")};
    workgroupBarrier();
${
    [0, 1, 2, 3].map((j) =>
      `    tileA[(loadStep * 4u + ${j}u) * 32u + loadLine / 4u][loadLine % 4u] = fromA[${j}];\n` +
      `    tileB[(loadStep * 4u + ${j}u) * 32u + loadLine / 4u][loadLine % 4u] = fromB[${j}];`
    ).join("\n")
  }
    workgroupBarrier();
${
    eight.map((c) =>
      `    {
      let al = tileA[${c * 32}u + down * 2u]; let ah = tileA[${c * 32 + 1}u + down * 2u];
      let bl = tileB[${c * 32}u + right * 2u]; let bh = tileB[${c * 32 + 1}u + right * 2u];
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
  let row = rowPanel * ${TILE}u + down * 8u;
  let col = colPanel * ${TILE}u + right * 8u;
${mode === "maxima" ? keepMaxima(eight) : keepEdges(eight)}
}`;
}

const sum = (r: number, v: number) => `clamp(s${r}${v < 4 ? "l" : "h"}[${v % 4}], -1.0, 1.0)`;

// Four rows at a time: their lanes' maxima take the other 8 KiB of workgroup memory.
function keepMaxima(eight: number[]): string {
  return [eight.slice(0, 4), eight.slice(4)].map((four) =>
    `${
      four.map((r) =>
        `  {
    var best = -2.0;
    var which = 0xffffffffu;
    let same = select(0xffffffffu, sizes.firstRow + row + ${r}u, sizes.skipSame == 1u);
${
          eight.map((v) =>
            `    {
      let value = ${sum(r, v)};
      let index = sizes.firstCol + col + ${v}u;
      if (value > best && col + ${v}u < sizes.cols && index != same) {
        best = value;
        which = index;
      }
    }`
          ).join("\n")
        }
    laneBest[(down * 4u + ${r % 4}u) * 16u + right] = best;
    laneWhich[(down * 4u + ${r % 4}u) * 16u + right] = which;
  }`
      ).join("\n")
    }
  workgroupBarrier();
  if (lane < 64u) {
    let line = rowPanel * ${TILE}u + lane / 4u * 8u + lane % 4u + ${four[0]}u;
    var best = laneBest[lane * 16u];
    var which = laneWhich[lane * 16u];
    for (var i = 1u; i < 16u; i++) {
      if (laneBest[lane * 16u + i] > best) {
        best = laneBest[lane * 16u + i];
        which = laneWhich[lane * 16u + i];
      }
    }
    if (line < sizes.rows) {
      values[line * across + colPanel] = best;
      indices[line * across + colPanel] = which;
    }
  }
  workgroupBarrier();`
  ).join("\n");
}

function keepEdges(eight: number[]): string {
  return `  var bits = vec2u();
${
    eight.flatMap((r) =>
      eight.map((v) => {
        const bit = r * 8 + v;
        return `  if (${sum(r, v)} >= sizes.threshold && row + ${r}u < sizes.rows && ` +
          `col + ${v}u < sizes.cols) { bits[${bit >> 5}] |= ${2 ** (bit & 31)}u; }`;
      })
    ).join("\n")
  }
  words[(tile * 256u + lane) * 2u] = bits.x;
  words[(tile * 256u + lane) * 2u + 1u] = bits.y;`;
}
