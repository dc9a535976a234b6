import type { InterpolationPoint } from "../stitching/interpolate.ts";
import type { PathPhase } from "../stitching/path.ts";
import { colour, dashes, QUIET } from "./colours.ts";
import type { Figure } from "./figure.ts";
import { formatNumber } from "./format_number.ts";
import { linePlot, type LineSeries } from "./line_plot.ts";
import type { StudiedPair } from "./stitching_plots.ts";

const PHASES: Record<PathPhase, { label: string; colour: string }> = {
  insert: { label: "novel latents inserted", colour: colour(0) },
  swap: { label: "groups swapped", colour: colour(1) },
  remove: { label: "rest of the small SAE removed", colour: colour(4) },
};
const AVERAGE = { label: "average of a phase", colour: QUIET };

/** The steps of one phase of a path, with the point that they start from. */
interface Stretch {
  phase: PathPhase;
  points: InterpolationPoint[];
}

/** MSE and L0 on the way through all SAEs, against the number of latents that are in (Fig. 5, 22). */
export function pathPlots(pairs: readonly StudiedPair[]): Promise<Figure>[] {
  const paths = pairs.map(({ study }) => stretches(study.path));
  const all = paths.flat();
  const sizes = [...new Set(all.flatMap(({ points }) => [points[0], points.at(-1)!]).map(latents))];
  const saes = [
    ...new Set(pairs.flatMap(({ study: { controls: { small, large } } }) => [
      ...[small.dictSize, large.dictSize],
    ])),
  ].sort((a, b) => a - b);
  // Several doublings are told apart on a logarithmic axis only.
  const logX = saes.length > 2 && Math.min(...sizes) > 0 && saes.at(-1)! >= 4 * saes[0];
  const phases = (Object.keys(PHASES) as PathPhase[])
    .filter((phase) => all.some((stretch) => stretch.phase === phase));
  const plot = (key: "mse" | "l0", title: string, yLabel: string) =>
    linePlot([
      ...all.map(({ phase, points }): LineSeries => ({
        ...PHASES[phase],
        ...{ x: points.map(latents), y: points.map((point) => point[key]), dash: 0 },
      })),
      ...all.filter(({ points }) => points.length > 2).map(({ points }): LineSeries => {
        const ends = [points[0], points.at(-1)!];
        return { ...AVERAGE, x: ends.map(latents), y: ends.map((end) => end[key]), dash: 1 };
      }),
    ], {
      name: `path_${key}`,
      title: `${title} from SAE to SAE (Fig. 5)`,
      description: [
        `${title} while novel latents are inserted and groups of similar latents swapped.`,
        ...pairs.map((pair, i) => describe(pair, paths[i], key, title)),
      ].join(" "),
      xLabel: `latents in the stitched SAE; dotted: SAEs of ${saes.join(", ")}`,
      yLabel,
      legend: [
        ...phases.map((phase) => ({ ...PHASES[phase], dash: "" })),
        { ...AVERAGE, dash: dashes(1) },
      ],
      ...{ logX, xTicks: logX ? saes : undefined, fromZero: false },
      beneath: (plot) => [
        plot.ruleX(saes, { stroke: "currentColor", strokeOpacity: 0.45, strokeDasharray: "2 3" }),
      ],
    });
  return [
    plot("mse", "MSE", "MSE: mean of Σ(x − x̂)²"),
    plot("l0", "L0", "active latents per sample"),
  ];
}

const latents = ({ smallCount, largeCount }: InterpolationPoint): number => smallCount + largeCount;

function stretches(path: readonly InterpolationPoint[]): Stretch[] {
  const found: Stretch[] = [];
  path.forEach((point, i) => {
    if (point.phase === "start") return;
    if (found.at(-1)?.phase !== point.phase) {
      found.push({ phase: point.phase, points: [path[i - 1]] });
    }
    found.at(-1)!.points.push(point);
  });
  return found;
}

/** What a step of each phase does on average, in words. */
function describe(
  { small, large }: StudiedPair,
  own: readonly Stretch[],
  key: "mse" | "l0",
  title: string,
): string {
  const parts = own.map(({ phase, points }) => {
    const change = (points.at(-1)![key] - points[0][key]) / (points.length - 1);
    return `${PHASES[phase].label} in ${points.length - 1} steps, ${title} ` +
      `${change > 0 ? "+" : ""}${formatNumber(change)} a step`;
  });
  return `${small} → ${large}: ${parts.join("; ")}.`;
}
