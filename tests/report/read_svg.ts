// Reads figures back, for tests: words, marks and their places.
import { assert, assertEquals } from "@std/assert";
import { DOMParser } from "linkedom";

/** An element of an SVG, as far as tests read it. */
export interface SvgNode {
  nodeName: string;
  textContent: string;
  childNodes: Iterable<SvgNode>;
  getAttribute(name: string): string | null;
}

/** What a figure holds. */
export interface ReadSvg {
  /** All words that are drawn, in order. */
  words: string[];
  /** Entries of the legend. */
  legend: string[];
  /** Shapes of marks of a kind ("line", "dot", "rect", "cell", "area", …), legend left out. */
  marks(kind: string): SvgNode[];
  /** Names of an axis's ticks by their places in pixels. */
  ticks(axis: "x" | "y"): Map<string, number>;
}

/** Reads a figure, after checking that it is XML that a browser opens as a file. */
export function readSvg(svg: string): ReadSvg {
  assertXml(svg);
  assert(!/NaN|Infinity|undefined/.test(svg), svg);
  const document = new DOMParser().parseFromString(svg, "image/svg+xml");
  const all = (selector: string) => [...document.querySelectorAll(selector)] as SvgNode[];
  const words = (selector: string) =>
    all(selector).map(({ childNodes }) =>
      [...childNodes].filter(({ nodeName }) => nodeName !== "title")
        .map(({ textContent }) => textContent).join("")
    );
  return {
    words: words("text"),
    legend: words(`.legend text`),
    marks: (kind) => all(`[aria-label="${kind}"]:not(.legend) > :not(title)`),
    ticks: (axis) =>
      new Map(
        all(`[aria-label="${axis}-axis tick label"] text`).map((tick) => {
          const [, x, y] = tick.getAttribute("transform")!.match(/translate\(([^,]+),([^)]+)\)/)!;
          return [tick.textContent, Number(axis === "x" ? x : y)];
        }),
      ),
  };
}

/** Points of a path of straight lines, a list for each run. */
export function pathPoints(path: SvgNode): [number, number][][] {
  return path.getAttribute("d")!.replaceAll("Z", "").split("M").slice(1).map((run) =>
    run.split("L").map((point) => point.split(",").map(Number) as [number, number])
  );
}

/** A number of an element. */
export const number = (element: SvgNode, name: string): number =>
  Number(element.getAttribute(name));

/** Refuses what is no well-formed XML: tags that are not closed, bare <, > and & in words. */
function assertXml(xml: string): void {
  const open: string[] = [];
  const parts = xml.split(/(<[^<>]*>)/).filter((part) => part);
  for (const part of parts) {
    if (!part.startsWith("<")) {
      assert(!/[<>]|&(?!(amp|lt|gt|quot|#39|#\d+);)/.test(part), `bare character in ${part}`);
      continue;
    }
    const tag = part.match(/^<(\/?)([\w-]+)((?: [\w:-]+="[^"<]*")*) ?(\/?)>$/);
    assert(tag, `no tag: ${part}`);
    const [, end, name, , empty] = tag;
    if (end) assertEquals(open.pop(), name);
    else if (!empty) open.push(name);
  }
  assertEquals(open, []);
}
