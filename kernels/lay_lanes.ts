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
 * Copies rows of `source` [≥ first + rows, d] into the layout of the columns of `denseLanes`: row first + i
 * becomes column i % each of panel i / each, as vec4; the last vector and the last panel are padded with
 * zeros. The texture has width `each`. One thread per vec4.
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
 * Copies rows of `source` [≥ first + rows, d] into the layout of the rows of `denseLanes`: row first + i
 * begins at vec4 i % each · steps of buffer i / each; the buffers, of `vectors` vec4, are consecutive. One
 * thread per vec4.
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
