// Draws the results of toy_model.ts: three heat maps of cosines, in one SVG and on one page.
import { type Figure, heatMap } from "@saewing/saewing/report";
import type { Matrix, Sae } from "@saewing/saewing";
import { cosines, isComplete, type ToyResult } from "./toy_model.ts";

const COLOURS = ["red", "green", "blue", "yellow", "purple", "orange", "black", "white"];
const SHAPES = ["circle", "square", "triangle", "star", "cross", "heart", "ring", "moon"];

/** The figure, and a page that explains it. */
export async function toyFigure(result: ToyResult): Promise<{ svg: string; page: string }> {
  const { small, large, meta } = result;
  const colours = names(COLOURS, "colour", result.colours);
  const shapes = names(SHAPES, "shape", result.shapes);
  const factors = [...colours, ...shapes];
  const pairs = colours.flatMap((colour) => shapes.map((shape) => `${colour} ${shape}`));
  const maps = await Promise.all([
    map(small, factors, "latent", `1. An SAE with ${factors.length} latents finds the factors`),
    map(large, pairs, "latent", `2. One with ${pairs.length} composes them`),
    map(meta, factors, "meta-latent", `3. A meta-SAE decomposes the ${pairs.length}`),
  ]);
  const sizes = maps.map(({ svg }) => {
    const [, width, height] = svg.match(/viewBox="0 0 ([\d.]+) ([\d.]+)"/)!.map(Number);
    return { width, height };
  });
  const gap = 36;
  const width = sizes.reduce((sum, size) => sum + size.width + gap, gap);
  const height = Math.max(...sizes.map((size) => size.height)) + 2 * gap;
  let x = 0;
  const placed = maps.map(({ svg }, i) => {
    const at = gap + x;
    x += sizes[i].width + gap;
    return svg.replace("<svg ", `<svg x="${at}" y="${gap}" `);
  });
  // A white background, so that the text is legible on a dark page too.
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" ` +
    `color="#1a202c">\n<rect width="${width}" height="${height}" fill="#fff"/>\n` +
    `${placed.join("\n")}\n</svg>\n`;
  return { svg, page: page(svg, result) };
}

/** A heat map, latents in the order of the targets that they match. */
function map(
  { sae, targets }: { sae: Sae; targets: Matrix },
  targetNames: string[],
  what: string,
  title: string,
): Promise<Figure> {
  const byTarget = cosines(targets, sae);
  const rows = Array.from({ length: sae.dictSize }, (_, latent) => ({
    latent,
    values: byTarget.map((row) => row[latent]),
  }));
  const place = (values: number[]) => values.indexOf(Math.max(...values));
  rows.sort((a, b) => place(a.values) - place(b.values) || a.latent - b.latent);
  return heatMap(rows.map(({ values }) => values), {
    title,
    description: `Cosine of each ${what}'s decoder row with ${targetNames.join(", ")}.`,
    rowNames: rows.map(({ latent }) => `${what} ${latent}`),
    colNames: targetNames,
  });
}

function names(known: string[], kind: string, count: number): string[] {
  return Array.from({ length: count }, (_, i) => known[i] ?? `${kind} ${i}`);
}

function page(svg: string, { small, large, meta }: ToyResult): string {
  const line = (name: string, { found }: { found: number[] }) =>
    `<li>${name}: ${found.filter((cosine) => cosine > 0.95).length} of ${found.length} found, ` +
    `least cosine ${Math.min(...found).toFixed(3)}${
      isComplete(found) ? "" : ": not complete"
    }</li>`;
  return `<!DOCTYPE html>
<html lang="en"><meta charset="utf-8"><title>Toy model of composition</title>
<style>body{font:16px/1.5 system-ui,sans-serif;max-width:75rem;margin:2rem auto;padding:0 1rem}</style>
<h1>Toy model of composition</h1>
<p>Each sample is a colour plus a shape. Cells are cosines between decoder rows and the directions of
colours, of shapes, and of their pairs.</p>
${svg}
<ul>
${line("Small SAE, factors", small)}
${line("Large SAE, pairs", large)}
${line("Meta-SAE, factors", meta)}
</ul>
<p>The meta-SAE explains ${(100 * meta.explainedVariance).toFixed(1)} % of the variance of the large
SAE's decoder rows.</p>
</html>
`;
}
