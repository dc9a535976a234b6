/** @jsxImportSource preact */
/// <reference lib="dom" />
import type { VNode } from "preact";
import { useEffect, useState } from "preact/hooks";
import { readable } from "../readable.ts";
import type { FigureAxis, FigureData } from "../figure_data.ts";

/** Where a figure's axes are, in the units of its SVG. */
export interface Frame {
  width: number;
  height: number;
  /** The horizontal place of a share. */
  x(share: number): number;
  /** The vertical place of a share. */
  y(share: number): number;
}

const HEIGHT = 300;
const [LEFT, RIGHT, TOP, BOTTOM] = [56, 12, 28, 42];

/**
 * The frame of a figure: as wide as the element of the reference, so that words are as large as those of
 * the page, whatever the screen.
 */
export function useFrame(): { frame: Frame; place: (element: Element | null) => void } {
  const [width, setWidth] = useState(innerWidth < 760 ? 340 : 600);
  const [element, place] = useState<Element | null>(null);
  useEffect(() => {
    if (!element) return;
    const watch = new ResizeObserver(([{ contentRect }]) => {
      if (contentRect.width > 0) setWidth(Math.round(Math.max(260, contentRect.width)));
    });
    watch.observe(element);
    return () => watch.disconnect();
  }, [element]);
  return {
    place,
    frame: {
      ...{ width, height: HEIGHT },
      x: (share) => LEFT + share * (width - LEFT - RIGHT),
      y: (share) => HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM),
    },
  };
}

/** Axes, marks and lines of a figure; what is drawn on top of them is given. */
export function Drawing(
  { data, frame, name, children, ...events }: {
    data: FigureData;
    frame: Frame;
    /** What it is called, for those who cannot see it; without it, it is what its points are. */
    name?: string;
    children?: unknown;
    onPointerMove?: (event: PointerEvent) => void;
    onPointerLeave?: (event: PointerEvent) => void;
    onClick?: (event: MouseEvent) => void;
  },
): VNode {
  const { x, y, width, height } = frame;
  const line = (points: [number, number][]) =>
    points.map(([a, b], i) => `${i === 0 ? "M" : "L"}${x(a).toFixed(1)} ${y(b).toFixed(1)}`)
      .join("");
  return (
    <svg
      viewBox={`0 0 ${width} ${height}`}
      role={name === undefined ? "group" : "img"}
      aria-label={name ?? readable(data.title)}
      {...events}
    >
      <Ticks axis={data.y} />
      {data.y.ticks.map(([at, words]) => (
        <g key={`y${at}`}>
          <line class="grid" x1={x(0)} x2={x(1)} y1={y(at)} y2={y(at)} />
          <text x={LEFT - 6} y={y(at) + 4} text-anchor="end">{words}</text>
        </g>
      ))}
      {data.x.ticks.map(([at, words]) => (
        <g key={`x${at}`}>
          <line class="axis" x1={x(at)} x2={x(at)} y1={y(0)} y2={y(0) + 4} />
          <text x={x(at)} y={y(0) + 17} text-anchor="middle">{words}</text>
        </g>
      ))}
      <line class="axis" x1={x(0)} x2={x(1)} y1={y(0)} y2={y(0)} />
      <text class="soft" x={(x(0) + x(1)) / 2} y={height - 5} text-anchor="middle">
        {readable(data.x.label)}
      </text>
      {(data.marks ?? []).map(({ axis, at, label }) => (
        <g key={`${axis}${at}`}>
          {axis === "x"
            ? <line class="mark" x1={x(at)} x2={x(at)} y1={y(0)} y2={y(1)} />
            : <line class="axis" x1={x(0)} x2={x(1)} y1={y(at)} y2={y(at)} />}
          <text
            x={x(at) + (at > 0.8 ? -5 : 5)}
            y={y(1) + 8}
            text-anchor={at > 0.8 ? "end" : undefined}
          >
            {readable(label)}
          </text>
        </g>
      ))}
      {(data.lines ?? []).map(({ colour, dashed, points }, i) => (
        <path
          key={i}
          class={`line c${colour % 6}`}
          stroke-dasharray={dashed ? "6 4" : undefined}
          d={line(points)}
        />
      ))}
      {children}
    </svg>
  );
}

/** The vertical axis is named above the figure, where its words have room. */
function Ticks({ axis }: { axis: FigureAxis }): VNode {
  return <text class="soft" x={2} y={10}>{readable(axis.label)}</text>;
}

/** What colours stand for. */
export function Legend({ entries }: { entries: [label: string, colour: number][] }): VNode | null {
  const shown = [...new Map(entries)];
  if (shown.length < 2) return null;
  return (
    <ul class="legend">
      {shown.map(([label, colour]) => (
        <li key={label}>
          <svg viewBox="0 0 12 12" aria-hidden="true">
            <path class={`dots c${colour % 6}`} d="M6 6h0" />
          </svg>
          {readable(label)}
        </li>
      ))}
    </ul>
  );
}

/** A figure of lines, and of points that lead on. */
export function Figure(
  { data, hrefOf }: { data: FigureData; hrefOf?: (sae: number) => string | undefined },
): VNode {
  const { frame, place } = useFrame();
  const { points = [], lines = [] } = data;
  const led = points.some(({ sae }) => sae !== undefined && hrefOf?.(sae));
  return (
    <figure>
      <figcaption ref={place}>
        <strong>{readable(data.title)}</strong> {readable(data.note ?? "")}
        {led ? " A point leads to its SAE." : ""}
      </figcaption>
      <Legend entries={lines.map(({ label, colour }) => [label, colour])} />
      <Drawing data={data} frame={frame} name={led ? undefined : readable(data.title)}>
        {points.map(({ at, colour, label, sae }, i) => {
          const dot = (
            <circle class={`point c${colour % 6}`} cx={frame.x(at[0])} cy={frame.y(at[1])} r={5}>
              <title>{readable(label)}</title>
            </circle>
          );
          const href = sae === undefined ? undefined : hrefOf?.(sae);
          return href === undefined
            ? <g key={i}>{dot}</g>
            : <a key={i} href={href} aria-label={readable(label)}>{dot}</a>;
        })}
      </Drawing>
    </figure>
  );
}

/** Figures of a run's folder as pictures, fetched when they are asked for. */
export function Pictures(
  { path, pictures }: { path: string; pictures: { file: string; title: string }[] },
): VNode | null {
  const [open, setOpen] = useState(false);
  if (pictures.length === 0) return null;
  return (
    <details
      class="card more"
      onToggle={(event) => setOpen((event.target as HTMLDetailsElement).open)}
    >
      <summary>Further figures: {pictures.length}</summary>
      {open && (
        <div class="columns">
          {pictures.map(({ file, title }) => (
            <figure key={file}>
              <figcaption>{readable(title)}</figcaption>
              <img src={path + file.split("/").map(encodeURIComponent).join("/")} alt={title} />
            </figure>
          ))}
        </div>
      )}
    </details>
  );
}
