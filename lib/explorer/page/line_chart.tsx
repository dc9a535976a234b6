/** @jsxImportSource preact */
/// <reference lib="dom" />
import type { VNode } from "preact";
import { short } from "./hooks.ts";

/** A line over steps, its values on a logarithmic axis. */
export function LineChart(
  { values, steps, name }: { values: readonly number[]; steps: number; name: string },
): VNode {
  // Letters are larger on a phone, where the chart is small.
  const [width, height, left] = [640, 190, 56];
  const positive = values.filter((value) => value > 0);
  const ticks = decades(Math.min(...positive), Math.max(...positive));
  const [low, high] = [Math.log(ticks[0]), Math.log(ticks.at(-1)!)];
  const x = (step: number) => left + (width - left - 8) * step / Math.max(1, steps);
  const y = (value: number) => 8 + (height - 8) * (high - Math.log(value)) / (high - low || 1);
  const line = values.map((value, i) => [i + 1, value]).filter(([, value]) => value > 0)
    .map(([step, value]) => `${x(step).toFixed(1)},${y(value).toFixed(1)}`).join(" ");
  const last = values.at(-1);
  return (
    <figure class="line">
      <figcaption>{name}, by step; the axis is logarithmic</figcaption>
      <svg
        viewBox={`0 0 ${width} ${height + 24}`}
        role="img"
        aria-label={last === undefined
          ? `${name}: no step yet`
          : `${name}, from ${short(values[0])} to ${short(last)} in ${values.length} steps`}
      >
        {positive.length > 0 && ticks.map((tick) => (
          <g key={tick}>
            <line class="grid" x1={left} x2={width - 8} y1={y(tick)} y2={y(tick)} />
            <text x={left - 6} y={y(tick) + 4} text-anchor="end">{short(tick)}</text>
          </g>
        ))}
        <line class="axis" x1={left} x2={width - 8} y1={height} y2={height} />
        <text x={left} y={height + 19}>0</text>
        <text x={width - 8} y={height + 19} text-anchor="end">{steps}</text>
        <polyline class="curve" points={line} />
      </svg>
    </figure>
  );
}

/** 1, 2 and 5 times powers of ten, from below `low` to above `high`. */
export function decades(low: number, high: number): number[] {
  if (!(low > 0 && high >= low && high < Infinity)) return [0.1, 1];
  const all: number[] = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++) {
    for (const digit of [1, 2, 5]) all.push(Number(`${digit}e${power}`));
  }
  const first = Math.max(0, all.findLastIndex((tick) => tick <= low));
  const last = all.findIndex((tick) => tick >= high && tick > all[first]);
  return all.slice(first, last + 1);
}
