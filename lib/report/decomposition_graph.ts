import { escapeHtml } from "./escape_html.ts";
import { px, text } from "./plot_frame.ts";

/** A meta-latent of the latent in the middle. */
export interface GraphMetaLatent {
  /** What to write for it: its explanation, its top tokens or its number. */
  label: string;
  /** Its weight in the latent in the middle. */
  weight: number;
}

/** Another latent, which shares meta-latents with the one in the middle. */
export interface GraphLatent {
  /** What to write for it. */
  label: string;
  /** Which of the meta-latents it shares, by place in the list, and their weights in it. */
  shared: readonly { metaLatent: number; weight: number }[];
}

/** Options of {@linkcode decompositionGraph}. */
export interface DecompositionGraphOptions {
  /** The latent in the middle. */
  label: string;
  /** Its meta-latents. */
  metaLatents: readonly GraphMetaLatent[];
  /** Latents that share them. */
  latents: readonly GraphLatent[];
}

const WIDTH = 960;
const ROW = 30;
const NODE = { middle: 170, meta: 160, latent: 150 };
/** Centres of the columns: latents, meta-latents, the middle, and the same to the right. */
const COLUMNS = [85, 275, 480, 685, 875];

interface Node {
  x: number;
  y: number;
}

/**
 * Draws Fig. 1 as an SVG: a latent in the middle, its meta-latents on both sides of it, and outside the
 * latents that share them. Lines are the broader the larger the weight. A latent stands on the side of
 * the meta-latent that is strongest in it.
 *
 * @throws {RangeError} A latent shares a meta-latent that is not in the list.
 */
export function decompositionGraph(options: DecompositionGraphOptions): string {
  const { label, metaLatents, latents } = options;
  for (const { label, shared } of latents) {
    for (const { metaLatent } of shared) {
      if (!(metaLatent in metaLatents)) {
        throw new RangeError(
          `latent ${label} shares meta-latent ${metaLatent}, expected one below ${metaLatents.length}`,
        );
      }
    }
  }
  // Strongest first, left and right in turn.
  const order = [...metaLatents.keys()].sort((a, b) =>
    metaLatents[b].weight - metaLatents[a].weight
  );
  const sides = [0, 1].map((side) => order.filter((_, at) => at % 2 === side));
  const side = (latent: GraphLatent) => Number(sides[1].includes(strongest(latent)));
  const outer = [0, 1].map((own) =>
    [...latents.keys()].filter((i) => side(latents[i]) === own)
      .sort((a, b) =>
        sides[own].indexOf(strongest(latents[a])) - sides[own].indexOf(strongest(latents[b])) ||
        a - b
      )
  );
  const tallest = Math.max(
    ...sides.map(({ length }) => length * 1.5),
    ...outer.map((o) => o.length),
  );
  const height = Math.max(3, tallest) * ROW + 30;

  const metaNodes: Node[] = [];
  sides.forEach((own, right) =>
    spread(own, COLUMNS[right ? 3 : 1], height).forEach((node, at) => metaNodes[own[at]] = node)
  );
  const latentNodes: Node[] = [];
  outer.forEach((own, right) =>
    spread(own, COLUMNS[right ? 4 : 0], height).forEach((node, at) => latentNodes[own[at]] = node)
  );
  const middle = { x: COLUMNS[2], y: height / 2 };
  const weights = [
    ...metaLatents.map(({ weight }) => weight),
    ...latents.flatMap(({ shared }) => shared.map(({ weight }) => weight)),
  ];
  const most = weights.reduce((largest, weight) => Math.max(largest, weight), 0) || 1;
  const lines = [
    ...metaLatents.map(({ weight }, i) => drawLine(middle, metaNodes[i], weight / most, "#c2570c")),
    ...latents.flatMap(({ shared }, i) =>
      shared.map(({ metaLatent, weight }) =>
        drawLine(metaNodes[metaLatent], latentNodes[i], weight / most, "#2563c9")
      )
    ),
  ];
  const title = `Decomposition of ${label}`;
  const spoken = `${title} into ${metaLatents.map(({ label }) => label).join(", ")}`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${px(height)}" role="img" ` +
    `aria-label="${escapeHtml(spoken)}" fill="currentColor" font-size="12" ` +
    `font-family="system-ui, sans-serif">`,
    `<title>${escapeHtml(title)}</title>`,
    ...lines,
    ...latents.map(({ label }, i) => drawNode(latentNodes[i], label, NODE.latent, "#2563c9", 0.1)),
    ...metaLatents.map(({ label }, i) => drawNode(metaNodes[i], label, NODE.meta, "#c2570c", 0.16)),
    drawNode(middle, label, NODE.middle, "#2563c9", 0.28),
    `</svg>`,
  ].join("\n");
}

/** The meta-latent whose weight is largest in a latent. */
function strongest({ shared }: GraphLatent): number {
  return shared.reduce((a, b) => b.weight > a.weight ? b : a, { metaLatent: -1, weight: -1 })
    .metaLatent;
}

/** Places of a column, evenly spread over the height. */
function spread(items: readonly number[], x: number, height: number): Node[] {
  return items.map((_, at) => ({ x, y: (at + 0.5) / items.length * height }));
}

function drawLine(a: Node, b: Node, share: number, colour: string): string {
  const bend = (a.x + b.x) / 2;
  return `<path d="M${px(a.x)} ${px(a.y)}C${px(bend)} ${px(a.y)} ${px(bend)} ${px(b.y)} ` +
    `${px(b.x)} ${px(b.y)}" fill="none" stroke="${colour}" stroke-width="${px(0.5 + 6 * share)}" ` +
    `stroke-opacity=".45"/>`;
}

function drawNode(
  { x, y }: Node,
  label: string,
  width: number,
  colour: string,
  tint: number,
): string {
  // About 6.6 pixels a letter.
  const room = Math.floor((width - 12) / 6.6);
  const words = label.length > room ? `${label.slice(0, room - 1)}…` : label;
  const box = `x="${px(x - width / 2)}" y="${px(y - 12)}" width="${width}" height="24" rx="6"`;
  return `<g><title>${escapeHtml(label)}</title>` +
    `<rect ${box} style="fill:var(--page, #fff)"/>` +
    `<rect ${box} fill="${colour}" fill-opacity="${tint}" stroke="${colour}" stroke-opacity=".6"/>` +
    text(x, y + 4, words, "middle") + `</g>`;
}
