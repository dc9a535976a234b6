import type { InterpolationPoint } from "../stitching/interpolate.ts";
import type { PathPhase } from "../stitching/path.ts";
import type { Figure } from "./figure.ts";
import { signed } from "../format_number.ts";
import { colour, dashes, QUIET } from "./legend.ts";
import { linePlot, type LineSeries } from "./line_plot.ts";
import { pairTitle, type StudiedPair } from "../stitching/study_chain.ts";

const PHASES: Record<PathPhase, { label: string; colour: string }> = {
  insert: { label: "novel latents inserted", colour: colour(0) },
  swap: { label: "groups swapped", colour: colour(1) },
  remove: { label: "rest of the small SAE removed", colour: colour(4) },
};
const AVERAGE = { label: "average of a phase", colour: QUIET };

/** MSE and L0 on the way through all SAEs, against the number of latents that are in (Fig. 5, 22). */
export function pathPlots(pairs: readonly StudiedPair[]): Promise<Figure>[] {
  const paths = pairs.map(({ study }) => stretches(study.path));
  const all = paths.flat();
  const sizes = pairs.flatMap(({ study: { controls: { small, large } } }) => [
    ...[small.dictSize, large.dictSize],
  ]);
  const saes = [...new Set(sizes)].sort((a, b) => a - b);
  // Several doublings are told apart on a logarithmic axis only.
  const logX = saes.length > 2 && saes.at(-1)! >= 4 * saes[0] &&
    all.every(({ points }) => points.every((point) => latents(point) > 0));
  const phases = (Object.keys(PHASES) as PathPhase[])
    .filter((phase) => all.some((stretch) => stretch.phase === phase));
  const plot = (key: "mse" | "l0", title: string, yLabel: string) => {
    const line = (points: readonly InterpolationPoint[], look: typeof AVERAGE, dash: number) => ({
      ...look,
      ...{ x: points.map(latents), y: points.map((point) => point[key]), dash },
    });
    return linePlot([
      ...all.map(({ phase, points }): LineSeries => line(points, PHASES[phase], 0)),
      ...all.filter(({ points }) => points.length > 2)
        .map(({ points }): LineSeries => line([points[0], points.at(-1)!], AVERAGE, 1)),
    ], {
      name: `path_${key}`,
      title: `${title} from SAE to SAE (Fig. 5)`,
      description: [
        `${title} while novel latents are inserted and groups of similar latents swapped.`,
        ...pairs.map((pair, i) => {
          const changes = paths[i].map((stretch) => averageChange(stretch, key, title));
          return `${pairTitle(pair)}: ${changes.join("; ")}.`;
        }),
      ].join(" "),
      xLabel: `latents in the stitched SAE; dotted: SAEs of ${saes.join(", ")}`,
      yLabel,
      legend: [
        ...phases.map((phase) => ({ ...PHASES[phase], dash: "" })),
        { ...AVERAGE, dash: dashes(1) },
      ],
      ...{ logX, xTicks: logX ? saes : undefined, fromZero: false },
      beneath: (plot) => [plot.ruleX(saes, { strokeOpacity: 0.45, strokeDasharray: "2 3" })],
    });
  };
  return [
    plot("mse", "MSE", "MSE: mean of Σ(x − x̂)²"),
    plot("l0", "L0", "active latents per sample"),
  ];
}

const latents = ({ smallCount, largeCount }: InterpolationPoint): number => smallCount + largeCount;

/** The steps of one phase of a path, with the point that they start from. */
interface Stretch {
  phase: PathPhase;
  points: InterpolationPoint[];
}

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

function averageChange({ phase, points }: Stretch, key: "mse" | "l0", title: string): string {
  const steps = points.length - 1;
  const change = (points[steps][key] - points[0][key]) / steps;
  return `${PHASES[phase].label} in ${steps} steps, ${title} ${signed(change)} a step`;
}
