import { writable } from "./escape_html.ts";
import { type LegendEntry, legendMarks, placeLegend, shorten } from "./legend.ts";
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
let tools: Promise<{ plot: Plot; document: unknown }> | undefined;

async function load(): Promise<{ plot: Plot; document: unknown }> {
  const plot = await import("@observablehq/plot");
  const { document } = globalThis as { document?: unknown };
  if (document) return { plot, document };
  // A document of XML: its attributes are escaped as a file of its own needs it.
  const { DOMParser } = await import("linkedom");
  const made = new DOMParser().parseFromString(`<svg xmlns="${SVG}"/>`, "image/svg+xml");
  return { plot, document: made };
}

/**
 * Draws a figure with Observable Plot: heading, legend, axes, and the marks that are given. Colours
 * come from the surroundings (currentColor and CSS variables), so a figure fits a light and a dark
 * page, and is black on white on its own. Words are text for ever, whatever they contain.
 */
export async function figure(options: FigureOptions): Promise<Figure> {
  const { plot, document } = await (tools ??= load());
  const { name = "figure", title, description = "", width = 480, legend = [] } = options;
  const marks = options.marks(plot);
  const [entries, x, y] = marks.length > 0 ? [legend, options.x, options.y] : [[], undefined];
  const { height: keyHeight, places } = placeLegend(entries, width);
  const height = (options.height ?? 280) + keyHeight;
  const left = options.plot?.marginLeft ?? LEFT;
  const top = options.plot?.marginTop ?? 40 + keyHeight + (y?.label ? 24 : 0);
  const axis = { tickFormat: formatTick, labelArrow: "none" as const };
  const scale = (own: ScaleOptions | undefined, room: number): ScaleOptions => ({
    ...axis,
    ...own,
    label: own?.label ? shorten(own.label, room) : null,
    axis: own ? own.axis : null,
  });
  const svg = plot.plot({
    document: document as never,
    ...{ width, height, marginLeft: left, marginRight: 24 },
    marginBottom: x?.label ? 44 : 26,
    x: scale({ labelAnchor: "center", line: true, ...x }, width - 20),
    y: scale({ grid: true, tickSpacing: 36, tickSize: 0, ...y, label: null }, width - 20),
    ...options.plot,
    marginTop: top,
    marks: [
      plot.text([shorten(title, width - 8, 8.6)], {
        ...{
          frameAnchor: "top-left",
          dx: 2 - left,
          dy: 4 - top,
          lineAnchor: "top",
          facet: "super",
        },
        ...{ fontSize: 14, fontWeight: 600 },
      }),
      ...legendMarks(plot, entries, places, 2 - left, 36 - top),
      // Above the marks' names, which stand in the last 16 pixels above the frame.
      plot.text(y?.label ? [shorten(y.label, width - 8)] : [], {
        ...{ frameAnchor: "top-left", dx: 2 - left, dy: -20, lineAnchor: "bottom", facet: "super" },
        fillOpacity: 0.75,
      }),
      ...namedAxes(plot, x, y),
      ...(marks.length > 0 ? marks : [plot.text(["no data"], { frameAnchor: "middle" })]),
    ],
  }) as unknown as SvgElement;
  finish(svg, document as SvgDocument, options.ownSize ? width : undefined, title, description);
  const text = svg.outerHTML;
  // Inside HTML it has the notebook's colours; where HTML is taken out, the picture is shown.
  const display = () => ({
    "text/html": `<div style="overflow-x: auto">${text}</div>`,
    "image/svg+xml": text,
    "text/plain": title,
  });
  return Object.assign({ name, title, svg: text }, { [Symbol.for("Jupyter.display")]: display });
}

/** Axes with ticks of one's own: on logarithmic scales some would be without a name otherwise. */
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

/** What is used of the DOM, which Deno's types do not have. */
interface SvgElement {
  readonly outerHTML: string;
  readonly attributes: Iterable<{ name: string; value: string }>;
  readonly childNodes: Iterable<{ nodeType: number; data: string }>;
  textContent: string;
  setAttribute(name: string, value: string): void;
  querySelector(selector: string): SvgElement | null;
  querySelectorAll(selector: string): Iterable<SvgElement>;
  prepend(...elements: SvgElement[]): void;
  remove(): void;
}

interface SvgDocument {
  createElementNS(namespace: string, name: string): SvgElement;
}

const PLACES = /^([cr]?[xy][12]?|r|d|width|height|transform|stroke-width|fill-opacity)$/;

/** Makes a file of its own of an SVG, tells what it shows, and rounds places to 0.01 pixels. */
function finish(
  svg: SvgElement,
  document: SvgDocument,
  width: number | undefined,
  title: string,
  description: string,
): void {
  // Plot's style sheet would be the whole page's.
  svg.querySelector("style")?.remove();
  const spoken = ([["title", title], ["desc", description]] as const)
    .filter(([, words]) => words).map(([name, words]) => {
      const element = document.createElementNS(SVG, name);
      element.textContent = words;
      return element;
    });
  svg.prepend(...spoken);
  for (const element of svg.querySelectorAll("*")) {
    for (const attribute of element.attributes) {
      if (!PLACES.test(attribute.name)) continue;
      attribute.value = attribute.value.replace(
        /-?\d+\.\d+(e[-+]?\d+)?/g,
        (number) => String(Math.round(Number(number) * 100) / 100),
      );
    }
    for (const node of element.childNodes) if (node.nodeType === 3) node.data = writable(node.data);
  }
  const own = { xmlns: SVG, class: "figure", role: "img", "aria-label": writable(title) };
  for (const [name, value] of Object.entries(own)) svg.setAttribute(name, value);
  svg.setAttribute("font-size", "12");
  if (width) svg.setAttribute("style", `max-width: ${width}px`);
}
