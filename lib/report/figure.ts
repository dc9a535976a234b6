import { writable } from "./escape.ts";
import { type LegendEntry, placeLegend, shorten } from "./legend.ts";
import { formatTick } from "./ticks.ts";

/** Observable Plot, as marks are made with. */
export type Plot = typeof import("@observablehq/plot");

/** Options of Observable Plot's `plot`. */
export type PlotOptions = NonNullable<Parameters<Plot["plot"]>[0]>;

/** Options of a scale and its axis. */
export type ScaleOptions = NonNullable<PlotOptions["x"]>;

/** What Observable Plot draws: a mark, or none. */
export type Mark = NonNullable<PlotOptions["marks"]>[number];

/** A drawn figure. As the last value of a notebook's cell it shows itself. */
export interface Figure {
  /** Name for its file, without an ending. */
  name: string;
  /** Its heading. */
  title: string;
  /** The SVG: it needs nothing else, and can stand inside HTML. */
  svg: string;
}

/** Words and size that all figures have. */
export interface FigureWords {
  /** Name for its file, without an ending (default "figure"). */
  name?: string;
  /** Heading. */
  title: string;
  /** What the figure shows, for those who cannot see it. */
  description?: string;
  /** Width in pixels (default 480); inside a page a figure scales with its surroundings. */
  width?: number;
  /** Height in pixels without the legend (default 280). */
  height?: number;
}

/** Options of {@linkcode figure}. */
export interface FigureOptions extends FigureWords {
  /** The horizontal scale and its axis, as Observable Plot's option `x`. */
  x?: ScaleOptions;
  /** The vertical scale and its axis, as Observable Plot's option `y`. */
  y?: ScaleOptions;
  /** Entries of the legend (default none). */
  legend?: readonly LegendEntry[];
  /** Further options of Observable Plot, such as margins. */
  plot?: PlotOptions;
  /** Whether the figure stays as large as it is where there is more room (default false). */
  ownSize?: boolean;
  /** Makes the marks; without any the figure says that there are no data. */
  marks(plot: Plot): Mark[];
}

const SVG = "http://www.w3.org/2000/svg";
const LEFT = 58;

// Both packages take 0.3 s to load, so they are loaded with the first figure only.
let tools: Promise<{ plot: Plot; document: Document }> | undefined;
type Document = PlotOptions["document"];

async function load(): Promise<{ plot: Plot; document: Document }> {
  const plot = await import("@observablehq/plot");
  const { document } = globalThis as { document?: Document };
  if (document) return { plot, document };
  // A document of XML: its attributes are escaped as a file of its own needs it.
  const { DOMParser } = await import("linkedom");
  const made = new DOMParser().parseFromString(`<svg xmlns="${SVG}"/>`, "image/svg+xml");
  return { plot, document: made as unknown as Document };
}

/**
 * Draws a figure with Observable Plot: heading, legend, axes, and the marks that are given. Colours
 * come from the surroundings (currentColor and CSS variables), so a figure fits a light and a dark
 * page, and is black on white on its own. Words are drawn as text, whatever they contain.
 */
export async function figure(options: FigureOptions): Promise<Figure> {
  const { plot, document } = await (tools ??= load());
  const { name = "figure", title, description = "", width = 480 } = options;
  const marks = options.marks(plot);
  const { x, y, legend = [] }: Partial<FigureOptions> = marks.length > 0 ? options : {};
  const left = options.plot?.marginLeft ?? LEFT;
  const { height: legendHeight, placed } = placeLegend(legend, width);
  const top = options.plot?.marginTop ?? 40 + legendHeight + (y?.label ? 24 : 0);
  /** Words at a place from the figure's upper left corner. */
  const words = (text: string, dx: number, dy: number, style: object) =>
    plot.text([text], {
      ...{ frameAnchor: "top-left", lineAnchor: "top", facet: "super" },
      ...{ dx: dx - left, dy: dy - top, ...style },
    });
  const scale = (own: ScaleOptions | undefined, label: string | null | undefined) => ({
    ...{ tickFormat: formatTick, labelArrow: "none" as const, axis: own ? undefined : null },
    ...{ ...own, label: label ? shorten(label, width - 20) : null },
  });
  const svg = plot.plot({
    ...{ document, width, height: (options.height ?? 280) + legendHeight, className: "figure" },
    ...{ ariaLabel: writable(title), ariaDescription: writable(description) || undefined },
    ...{ marginLeft: left, marginRight: 24, marginBottom: x?.label ? 44 : 26 },
    x: scale(x && { labelAnchor: "center", line: true, ...x }, x?.label),
    y: scale(y && { grid: true, tickSpacing: 36, tickSize: 0, ...y }, null),
    ...options.plot,
    marginTop: top,
    marks: [
      words(shorten(title, width - 8, 8.6), 2, 4, { fontSize: 14, fontWeight: 600 }),
      ...placed.flatMap((entry) => legendMarks(plot, entry, 2 - left, 36 - top)),
      // Above the marks' names, which stand in the last 16 pixels above the frame.
      y?.label
        ? words(shorten(y.label, width - 8), 2, top - 20, {
          ...{ lineAnchor: "bottom", fillOpacity: 0.75 },
        })
        : null,
      ...namedAxes(plot, x, y),
      ...(marks.length > 0 ? marks : [plot.text(["no data"], { frameAnchor: "middle" })]),
    ],
  });
  const text = finish(
    svg as unknown as SvgElement,
    options.ownSize ? { style: `max-width: ${width}px` } : {},
  );
  // Inside HTML it has the notebook's colours; where HTML is taken out, the picture is shown.
  const display = () => ({
    "text/html": `<div style="overflow-x: auto">${text}</div>`,
    "image/svg+xml": text,
    "text/plain": title,
  });
  return Object.assign({ name, title, svg: text }, { [Symbol.for("Jupyter.display")]: display });
}

/** Axes with ticks of one's own: on logarithmic scales Plot would leave some without a name. */
function namedAxes(plot: Plot, x: ScaleOptions | undefined, y: ScaleOptions | undefined): Mark[] {
  const named = (ticks: unknown) => Array.isArray(ticks) ? [ticks as number[]] : [];
  return [
    ...named(y?.ticks).flatMap((ticks) => [
      plot.gridY(ticks),
      plot.axisY(ticks, { text: formatTick, tickSize: 0, label: null }),
    ]),
    ...named(x?.ticks).flatMap((ticks) => [
      plot.frame({ anchor: "bottom" }),
      plot.axisX(ticks, { text: formatTick, labelAnchor: "center", labelArrow: "none" }),
    ]),
  ];
}

/** Marks of an entry of the legend, whose upper left corner is at (dx, dy) from the frame's. */
function legendMarks(
  plot: Plot,
  { label, x, y, colour, dash, symbol }: LegendEntry & { x: number; y: number },
  dx: number,
  dy: number,
): Mark[] {
  const at = (right: number) => ({
    ...{ frameAnchor: "top-left", className: "legend", facet: "super" } as const,
    ...{ dx: dx + x + right, dy: dy + y },
  });
  return [
    dash === undefined ? null : plot.vector([0], {
      ...{ ...at(0), anchor: "start", rotate: 90, length: 16 },
      ...{ stroke: colour, strokeDasharray: dash, strokeWidth: 1.8 },
      shape: { draw: (context, length) => (context.moveTo(0, 0), context.lineTo(0, -length)) },
    }),
    symbol ? plot.dot([0], { ...at(8), symbol, fill: colour, r: 4 }) : null,
    plot.text([label], { ...at(22), textAnchor: "start", lineAnchor: "middle" }),
  ];
}

/** Points a horizontal place out: a dashed line, and its name above the frame, where there is room. */
export function pointOut(
  plot: Plot,
  { x, label }: { x: number; label: string },
  [low, high]: readonly [number, number],
  log = false,
): Mark[] {
  const right = x > (log ? Math.sqrt(low * high) : (low + high) / 2);
  return [
    plot.ruleX([x], {
      ...{ strokeOpacity: 0.8, strokeWidth: 1.6, strokeDasharray: "4 3", insetTop: -14 },
    }),
    plot.text([label], {
      ...{ x: [x], frameAnchor: "top", lineAnchor: "bottom", dx: right ? -6 : 6, dy: -4 },
      textAnchor: right ? "end" : "start",
    }),
  ];
}

/** What is used of the DOM, which Deno's types do not have. */
interface SvgElement {
  outerHTML: string;
  attributes: Iterable<{ name: string; value: string }>;
  childNodes: Iterable<{ nodeType: number; data: string }>;
  setAttribute(name: string, value: string): void;
  querySelectorAll(selector: string): Iterable<SvgElement>;
  remove(): void;
}

const PLACES = /^([cr]?[xy][12]?|r|d|width|height|transform|stroke-width|fill-opacity)$/;

/** An SVG as text that is a file of its own, with places rounded to 0.01 pixels. */
function finish(svg: SvgElement, attributes: Record<string, string>): string {
  // Plot's style sheet would be the whole page's.
  for (const style of svg.querySelectorAll("style")) style.remove();
  const own = { xmlns: SVG, role: "img", "font-size": "12", ...attributes };
  for (const [name, value] of Object.entries(own)) svg.setAttribute(name, value);
  const round = (number: string) => String(Math.round(Number(number) * 100) / 100);
  for (const element of svg.querySelectorAll("*")) {
    for (const attribute of element.attributes) {
      if (!PLACES.test(attribute.name)) continue;
      attribute.value = attribute.value.replace(/-?\d+\.\d+(e[-+]?\d+)?/g, round);
    }
    for (const node of element.childNodes) if (node.nodeType === 3) node.data = writable(node.data);
  }
  return svg.outerHTML;
}
