import { type Figure, figure, type FigureWords } from "./figure.ts";
import { LETTER, shorten } from "./legend.ts";

/** Options of {@linkcode heatMap}. */
export interface HeatMapOptions extends Omit<FigureWords, "width" | "height"> {
  /** A name for each row. */
  rowNames: readonly string[];
  /** A name for each column. */
  colNames: readonly string[];
  /** Side of a cell in pixels (default 40; numbers are written into cells of 30 and more). */
  cell?: number;
}

/**
 * Draws numbers from −1 to 1, cosines or shares, as coloured cells: blue above zero, orange below, the
 * stronger the further from it.
 *
 * @param values values[r][c], a row of cells each.
 * @throws {RangeError} Values and names differ in number.
 */
export async function heatMap(
  values: readonly ArrayLike<number>[],
  options: HeatMapOptions,
): Promise<Figure> {
  const { rowNames, colNames, cell = 40 } = options;
  if (values.length !== rowNames.length) {
    throw new RangeError(`there are ${values.length} rows and ${rowNames.length} names of rows`);
  }
  const cells = values.flatMap((row, r) => {
    if (row.length !== colNames.length) {
      throw new RangeError(`row ${r} has ${row.length} values, expected ${colNames.length}`);
    }
    return Array.from(row, (value, c) => ({ ...look(value), r, c }));
  });
  const [rows, columns] = [rowNames, colNames].map((names) => names.map((n) => shorten(n, 190)));
  const left = 14 + LETTER * longest(rows);
  // Names of columns stand on end where they are wider than a cell.
  const upright = LETTER * longest(columns) > cell;
  const top = 34 + (upright ? 10 + LETTER * longest(columns) : 20);
  return await figure({
    ...options,
    width: Math.max(left + cell * columns.length + 4, 16 + 8.6 * options.title.length),
    height: top + cell * rows.length + 4,
    ownSize: true,
    plot: { marginLeft: left, marginTop: top, marginRight: 4, marginBottom: 4 },
    x: {
      ...{ type: "band", domain: [...columns.keys()], padding: 0, line: false },
      range: [left, left + cell * columns.length],
      ...{ axis: "top", tickSize: 0, tickRotate: upright ? -90 : 0 },
      tickFormat: (c: number) => columns[c],
    },
    y: {
      ...{ type: "band", domain: [...rows.keys()], padding: 0, grid: false, tickSize: 0 },
      tickFormat: (r: number) => rows[r],
    },
    marks: (plot) => [
      plot.cell(cells, {
        ...{ x: "c", y: "r", inset: 1, rx: 3, fill: "fill" },
        fillOpacity: { value: "opacity", scale: null },
      }),
      cell < 30
        ? null
        : plot.text(cells, { x: "c", y: "r", text: "words", fontSize: 11, fill: "ink" }),
    ],
  });
}

/** How a value is drawn: colours by CSS, which Observable Plot takes as they are. */
function look(value: number) {
  const finite = Number.isFinite(value);
  const size = finite ? Math.min(1, Math.abs(value)) : 0;
  return {
    words: finite ? value.toFixed(2).replace("-0.00", "0.00").replace("-", "−") : "–",
    fill: value < 0 ? "#c2570c" : "#2563c9",
    opacity: 0.04 + 0.9 * size,
    ink: size > 0.55 ? "#fff" : "currentColor",
  };
}

function longest(names: readonly string[]): number {
  return names.reduce((most, name) => Math.max(most, name.length), 0);
}
