import { type Figure, figure, type Plot } from "./figure.ts";
import { colour, shorten } from "./legend.ts";

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
const HEADING = 30;
/** Centres of the columns: latents, meta-latents, the middle, and the same to the right. */
const COLUMNS = [85, 275, 480, 685, 875];
const LATENT = { width: 150, fill: colour(0), tint: 0.1 };
const META_LATENT = { width: 160, fill: colour(1), tint: 0.16 };
const MIDDLE = { width: 170, fill: colour(0), tint: 0.28 };

interface Node {
  label: string;
  x: number;
  y: number;
  look: typeof LATENT;
}

/**
 * Draws Fig. 1: a latent in the middle, its meta-latents on both sides of it, and outside the latents
 * that share them. Lines are the broader the larger the weight. A latent stands on the side of the
 * meta-latent that is strongest in it.
 *
 * @throws {RangeError} A latent shares a meta-latent that is not in the list.
 */
export async function decompositionGraph(options: DecompositionGraphOptions): Promise<Figure> {
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
  const inner = [0, 1].map((side) => order.filter((_, at) => at % 2 === side));
  const outer = inner.map((own) =>
    [...latents.keys()].filter((i) => own.includes(strongest(latents[i])))
      .sort((a, b) => own.indexOf(strongest(latents[a])) - own.indexOf(strongest(latents[b])))
  );
  const tallest = Math.max(
    2,
    ...inner.map((own) => own.length * 1.5),
    ...outer.map((o) => o.length),
  );
  const height = HEADING + tallest * ROW + 20;
  const column = (
    own: number[],
    all: readonly { label: string }[],
    x: number,
    look: Node["look"],
  ) =>
    own.map((i, at): [number, Node] => {
      const y = HEADING + (at + 0.5) / own.length * (height - HEADING);
      return [i, { label: all[i].label, x, y, look }];
    });
  const metaNodes = new Map(
    inner.flatMap((own, s) => column(own, metaLatents, COLUMNS[s ? 3 : 1], META_LATENT)),
  );
  const latentNodes = new Map(
    outer.flatMap((own, s) => column(own, latents, COLUMNS[s ? 4 : 0], LATENT)),
  );
  const middle: Node = { label, x: COLUMNS[2], y: (HEADING + height) / 2, look: MIDDLE };
  const lines = [
    ...metaLatents.map(({ weight }, i) => ({ a: middle, b: metaNodes.get(i)!, weight })),
    ...latents.flatMap(({ shared }, i) =>
      shared.map(({ metaLatent, weight }) => ({
        ...{ a: metaNodes.get(metaLatent)!, b: latentNodes.get(i)!, weight },
      }))
    ),
  ];
  const most = lines.reduce((largest, { weight }) => Math.max(largest, weight), 0) || 1;
  const title = `Decomposition of ${label}`;
  return await figure({
    ...{ name: "decomposition", title, width: WIDTH, height },
    description: `Into ${metaLatents.map(({ label }) => label).join(", ")}.`,
    plot: {
      ...{ marginTop: HEADING, marginLeft: 0, marginRight: 0, marginBottom: 0 },
      x: { type: "identity", axis: null },
      y: { type: "identity", axis: null },
    },
    marks: (plot) => [
      plot.link(lines, {
        ...{ x1: ({ a }) => a.x, y1: ({ a }) => a.y, x2: ({ b }) => b.x, y2: ({ b }) => b.y },
        ...{ curve: "bump-x", stroke: ({ b }) => b.look.fill, strokeOpacity: 0.45 },
        strokeWidth: ({ weight }) => 0.5 + 6 * weight / most,
      }),
      ...[latentNodes.values(), metaNodes.values(), [middle]].flatMap((nodes) =>
        drawNodes(plot, [...nodes])
      ),
    ],
  });
}

/** The meta-latent whose weight is largest in a latent. */
function strongest({ shared }: GraphLatent): number {
  return shared.reduce((a, b) => b.weight > a.weight ? b : a, { metaLatent: -1, weight: -1 })
    .metaLatent;
}

function drawNodes(plot: Plot, nodes: Node[]) {
  if (nodes.length === 0) return [];
  const { width, fill, tint } = nodes[0].look;
  const box = {
    ...{ x1: ({ x }: Node) => x - width / 2, x2: ({ x }: Node) => x + width / 2, rx: 6 },
    ...{ y1: ({ y }: Node) => y - 12, y2: ({ y }: Node) => y + 12 },
  };
  return [
    plot.rect(nodes, { ...box, fill: "var(--page, #fff)" }),
    plot.rect(nodes, { ...box, fill, fillOpacity: tint, stroke: fill, strokeOpacity: 0.6 }),
    plot.text(nodes, {
      ...{ x: "x", y: "y", text: ({ label }: Node) => shorten(label, width - 8, 7) },
      title: "label",
    }),
  ];
}
