import { defineKernel, read, write, writeTexture } from "./define.ts";

const sizes = { rows: "u32", first: "u32", d: "u32", steps: "u32", each: "u32" } as const;

const vector = `fn number(row: u32, at: u32) -> f32 {
  if (row >= sizes.rows || at >= sizes.d) { return 0.0; }
  return source[(sizes.first + row) * sizes.d + at];
}

fn vector(row: u32, c: u32) -> vec4f {
  let at = 4u * c;
  return vec4f(number(row, at), number(row, at + 1u), number(row, at + 2u), number(row, at + 3u));
}`;

/**
 * Lays rows of `source` [≥ first + rows, d] out as `denseLanes` reads its columns: row first + i is column
 * i % each of panel i / each, in vectors of four numbers; zeros fill the last vector and the last panel.
 * The texture is `each` wide. One thread a vector.
 */
export const layPanels = () =>
  defineKernel({
    label: "lay panels",
    sizes,
    bind: { source: read("f32"), panels: writeTexture },
    workgroup: 64,
    globals: [vector],
    body: `
  let y = thread / sizes.each;
  let panel = y / sizes.steps;
  if (panel * sizes.each >= sizes.rows) { return; }
  let value = vector(panel * sizes.each + thread % sizes.each, y % sizes.steps);
  textureStore(panels, vec2u(thread % sizes.each, y), value);`,
  });

/**
 * Lays rows of `source` [≥ first + rows, d] out as `denseLanes` reads its rows: row first + i begins at
 * vector i % each · steps of buffer i / each; the buffers, of `vectors` vectors, lie behind one another.
 * One thread a vector.
 */
export const layRows = () =>
  defineKernel({
    label: "lay rows",
    sizes: { ...sizes, vectors: "u32" },
    bind: { source: read("f32"), rows: write("vec4f") },
    workgroup: 64,
    globals: [vector],
    body: `
  let row = thread / sizes.steps;
  let c = thread % sizes.steps;
  if (row >= sizes.rows) { return; }
  rows[row / sizes.each * sizes.vectors + row % sizes.each * sizes.steps + c] = vector(row, c);`,
  });
