/** @jsxImportSource preact */
/// <reference lib="dom" />
import type { VNode } from "preact";
import type { LatentMap } from "../site_manifest.ts";
import { short } from "./hooks.ts";
import { address } from "./route.ts";

/** A histogram; heights are logarithms, since one bin often holds nearly all. */
export function Histogram(
  { counts, low, high, name }: { counts: number[]; low: number; high: number; name: string },
): VNode {
  const [width, height] = [320, 96];
  const most = Math.max(1, ...counts);
  const step = width / Math.max(1, counts.length);
  const tall = (
    count: number,
  ) => (count === 0 ? 0 : 4 + (height - 4) * Math.log1p(count) / Math.log1p(most));
  const edge = (i: number) => short(low + (high - low) * i / counts.length);
  const zero = low < 0 && high > 0 ? -low / (high - low) * width : undefined;
  return (
    <figure class="histogram">
      <figcaption>{name}</figcaption>
      <svg
        viewBox={`0 0 ${width} ${height + 18}`}
        role="img"
        aria-label={`${name}, from ${short(low)} to ${short(high)}`}
      >
        {counts.map((count, i) => (
          <rect
            key={i}
            class="bar"
            x={i * step}
            y={height - tall(count)}
            width={Math.max(0.5, step - 1)}
            height={tall(count)}
          >
            <title>{`${edge(i)} to ${edge(i + 1)}: ${count}`}</title>
          </rect>
        ))}
        {zero !== undefined && <line class="axis" x1={zero} x2={zero} y1={0} y2={height} />}
        <line class="axis" x1={0} x2={width} y1={height} y2={height} />
        <text x={0} y={height + 14}>{short(low)}</text>
        <text x={width} y={height + 14} text-anchor="end">{short(high)}</text>
      </svg>
    </figure>
  );
}

/** The map: latents by density and largest activation. A click leads to the table of a cell's latents. */
export function Map({ map, sae }: { map: LatentMap; sae: string }): VNode {
  const { size: [columns, rows], counts, density: [low, high], max } = map;
  const cell = 14;
  const most = Math.max(1, ...counts);
  const at = (share: number) => 10 ** (low + (high - low) * share);
  // Rounded outwards, so that no latent of the cell falls out.
  const open = (event: MouseEvent) => {
    const place = Number((event.target as Element).getAttribute("data-cell") ?? -1);
    if (place < 0) return;
    const [x, y] = [place % columns, Math.floor(place / columns)];
    location.hash = address(sae, "latents", undefined, {
      dmin: (at(x / columns) * 0.9999).toPrecision(5),
      dmax: (at((x + 1) / columns) * 1.0001).toPrecision(5),
      amin: (max * y / rows * 0.9999).toPrecision(5),
      amax: (max * (y + 1) / rows * 1.0001).toPrecision(5),
    });
  };
  const [width, height] = [columns * cell, rows * cell];
  return (
    <figure class="map">
      <figcaption>
        Latents by density (across, logarithmic) and largest activation (up). A click on a cell
        lists its latents.
      </figcaption>
      {/* The table's filters do the same by keyboard. */}
      <svg
        viewBox={`0 0 ${width} ${height + 22}`}
        role="img"
        aria-label={`${
          counts.reduce((a, b) => a + b, 0)
        } latents by density and largest activation`}
        onClick={open}
      >
        {counts.map((count, place) => {
          if (count === 0) return null;
          const [x, y] = [place % columns, Math.floor(place / columns)];
          return (
            <rect
              key={place}
              class="cell"
              data-cell={place}
              x={x * cell}
              y={height - (y + 1) * cell}
              width={cell - 1}
              height={cell - 1}
              fill-opacity={(0.15 + 0.85 * Math.log1p(count) / Math.log1p(most)).toFixed(3)}
            >
              <title>
                {`${count} latents, density ${short(at(x / columns))} to ${
                  short(at((x + 1) / columns))
                }`}
              </title>
            </rect>
          );
        })}
        <line class="axis" x1={0} x2={width} y1={height} y2={height} />
        <line class="axis" x1={0} x2={0} y1={0} y2={height} />
        <text x={4} y={14}>{short(max)}</text>
        <text x={0} y={height + 17}>{short(10 ** low)}</text>
        <text x={width} y={height + 17} text-anchor="end">{short(10 ** high)}</text>
      </svg>
    </figure>
  );
}

/** A node of a graph. */
export interface GraphNode {
  /** Where it leads. */
  href: string;
  /** Its first line. */
  name: string;
  /** What stands below. */
  label: string;
  /** Strength of its edge, from 0 to 1. */
  weight: number;
  /** What follows it. */
  next?: GraphNode[];
}

const cut = (text: string, length: number): string => {
  const characters = [...text];
  return characters.length > length ? `${characters.slice(0, length - 1).join("")}…` : text;
};

/** A node, what it is made of, and what else that is part of (Fig. 1), from left to right. */
export function Graph({ root }: { root: GraphNode }): VNode {
  const [columnWidth, row, box] = [250, 30, 190];
  const middle = root.next ?? [];
  const heights = middle.map(({ next = [] }) => Math.max(2, next.length) * row + 10);
  const total = Math.max(60, heights.reduce((a, b) => a + b, 0));
  let above = 0;
  const centres = heights.map((height) => (above += height) - height / 2);
  const node = ({ href, name, label }: GraphNode, x: number, y: number, small = false) => (
    <a href={href} key={`${x} ${y}`}>
      <rect x={x} y={y - (small ? 12 : 20)} width={box} height={small ? 24 : 40} rx={6} />
      <text x={x + 8} y={y + (small ? 4 : -3)}>
        {small ? cut(`${name} ${label}`, 27) : name}
      </text>
      {!small && <text class="soft" x={x + 8} y={y + 13}>{cut(label, 28)}</text>}
    </a>
  );
  const edge = (x1: number, y1: number, x2: number, y2: number, weight: number) => (
    <path
      key={`${y1} ${y2}`}
      class="edge"
      d={`M${x1} ${y1} C${(x1 + x2) / 2} ${y1} ${(x1 + x2) / 2} ${y2} ${x2} ${y2}`}
      stroke-width={(0.75 + 5 * weight).toFixed(2)}
    />
  );
  return (
    <div class="graph">
      <svg viewBox={`0 0 ${2 * columnWidth + box + 2} ${total}`} aria-label="graph">
        {middle.map((one, i) => edge(box, total / 2, columnWidth, centres[i], one.weight))}
        {middle.map(({ next = [] }, i) =>
          next.map((leaf, j) =>
            edge(
              columnWidth + box,
              centres[i],
              2 * columnWidth,
              centres[i] + (j - (next.length - 1) / 2) * row,
              leaf.weight,
            )
          )
        )}
        {node(root, 1, total / 2)}
        {middle.map((one, i) => node(one, columnWidth, centres[i]))}
        {middle.map(({ next = [] }, i) =>
          next.map((leaf, j) =>
            node(leaf, 2 * columnWidth, centres[i] + (j - (next.length - 1) / 2) * row, true)
          )
        )}
      </svg>
    </div>
  );
}
