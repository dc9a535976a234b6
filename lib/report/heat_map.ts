import { escapeHtml } from "./escape_html.ts";
import { px, text } from "./plot_frame.ts";

/** Options of {@linkcode heatMap}. */
export interface HeatMapOptions {
  /** Heading. */
  title: string;
  /** What the map shows, for those who cannot see it. */
  description?: string;
  /** A name for each row. */
  rowNames: readonly string[];
  /** A name for each column. */
  colNames: readonly string[];
  /** Side of a cell in pixels (default 40; numbers are written into cells of 30 and more). */
  cell?: number;
}

/**
 * Draws numbers from −1 to 1, cosines, as an SVG of coloured cells: blue above zero, orange below,
 * the stronger the further from it.
 *
 * @param values values[r][c], a row of cells each.
 * @throws {RangeError} Values and names differ in number.
 */
export function heatMap(values: readonly ArrayLike<number>[], options: HeatMapOptions): string {
  const { title, description = "", rowNames, colNames, cell = 40 } = options;
  if (values.length !== rowNames.length) {
    throw new RangeError(`there are ${values.length} rows and ${rowNames.length} names of rows`);
  }
  const left = 12 + 7 * longest(rowNames);
  // Names of columns stand on end where they are wider than a cell.
  const upright = 7 * longest(colNames) > cell;
  const top = 34 + (upright ? 8 + 6.6 * longest(colNames) : 18);
  const width = Math.max(left + cell * colNames.length + 4, 16 + 8 * title.length);
  const height = top + cell * rowNames.length + 4;
  const spoken = escapeHtml(description ? `${title}. ${description}` : title);
  const heads = colNames.map((name, c) => {
    const x = left + (c + 0.5) * cell;
    if (!upright) return text(x, top - 8, name, "middle");
    return `<text transform="translate(${px(x + 4)} ${px(top - 6)}) rotate(-90)">` +
      `${escapeHtml(name)}</text>`;
  });
  const rows = values.flatMap((row, r) => {
    if (row.length !== colNames.length) {
      throw new RangeError(`row ${r} has ${row.length} values, expected ${colNames.length}`);
    }
    return [
      text(left - 8, top + (r + 0.5) * cell + 4, rowNames[r], "end"),
      ...Array.from(row, (value, c) => drawCell(value, left + c * cell, top + r * cell, cell)),
    ];
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${px(width)} ${px(height)}" ` +
    `width="${px(width)}" height="${px(height)}" role="img" aria-label="${spoken}" ` +
    `fill="currentColor" font-size="12" font-family="system-ui, sans-serif">`,
    `<title>${escapeHtml(title)}</title>`,
    text(2, 16, title).replace("<text", `<text font-size="14" font-weight="600"`),
    ...heads,
    ...rows,
    `</svg>`,
  ].join("\n");
}

function drawCell(value: number, x: number, y: number, cell: number): string {
  const size = Number.isFinite(value) ? Math.min(1, Math.abs(value)) : 0;
  const colour = value < 0 ? "#c2570c" : "#2563c9";
  const square = `<rect x="${px(x + 1)}" y="${px(y + 1)}" width="${cell - 2}" ` +
    `height="${cell - 2}" rx="3" fill="${colour}" fill-opacity="${px(0.04 + 0.9 * size)}"/>`;
  if (cell < 30) return square;
  const words = Number.isFinite(value)
    ? value.toFixed(2).replace("-0.00", "0.00").replace("-", "−")
    : "–";
  const ink = size > 0.55 ? ` fill="#fff"` : "";
  return square +
    text(x + cell / 2, y + cell / 2 + 4, words, "middle").replace(
      "<text",
      `<text font-size="11"${ink}`,
    );
}

function longest(names: readonly string[]): number {
  return names.reduce((most, name) => Math.max(most, name.length), 0);
}
