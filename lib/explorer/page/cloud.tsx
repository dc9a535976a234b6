/** @jsxImportSource preact */
/// <reference lib="dom" />
import type { VNode } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { FigureData } from "../figure_data.ts";
import { NOWHERE, WHOLE } from "../pair_rows.ts";
import { readable } from "../readable.ts";
import { Drawing, type Frame, Legend, useFrame } from "./figure.tsx";
import type { Places } from "./pair_reader.ts";

/** What a point is. */
export interface Told {
  /** What its link is called. */
  name: string;
  /** Where it leads. */
  href?: string;
  /** What is said of it. */
  text: string;
}

/** Points by the hundred thousand, each of which can be looked at and leads on. */
export interface Cloud {
  /** The figure without its points. */
  data: FigureData;
  /** Their places. */
  x: Places;
  y: Places;
  /** Which of `data.kinds` a point is. */
  kindOf(point: number): number;
  /** Whether points are joined by lines, those of a kind in one. */
  joined?: boolean;
  /** Tells of a point. */
  tell(point: number): Promise<Told>;
  /** What its points are, in the singular: "latent". */
  what: string;
  /** The point to begin with. */
  chosen?: number;
}

/** How far a pointer may be from a point, in units of the figure. */
const REACH = 24;

/**
 * A figure of many points. The pointer chooses the nearest one, a click or Enter follows it; the slider
 * goes from point to point by keyboard.
 */
export function CloudFigure(cloud: Cloud): VNode {
  const { data, x, y, joined = false, tell, what } = cloud;
  const { frame, place } = useFrame();
  const [chosen, setChosen] = useState(cloud.chosen);
  const told = useTold(chosen, tell);
  useEffect(() => setChosen(cloud.chosen), [cloud.chosen]);
  const paths = useMemo(() => drawPoints(cloud, frame), [x, y, frame.width]);
  // From left to right; a path in its own order.
  const order = useMemo(() => {
    const seen = Uint32Array.from(x.keys().filter((point) => x[point] !== NOWHERE));
    return joined ? seen : seen.sort((a, b) => x[a] - x[b] || y[a] - y[b] || a - b);
  }, [x, y]);
  const near = (event: MouseEvent): number | undefined => {
    const box = (event.currentTarget as Element).getBoundingClientRect();
    const scale = frame.width / box.width;
    const [left, top] = [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
    let [best, least] = [-1, REACH ** 2];
    for (const point of order) {
      const far = (frame.x(x[point] / WHOLE) - left) ** 2 + (frame.y(y[point] / WHOLE) - top) ** 2;
      if (far < least) [best, least] = [point, far];
    }
    return best < 0 ? undefined : best;
  };
  const follow = async (point: number) => {
    const { href } = await tell(point);
    if (href !== undefined) location.hash = href;
  };
  const at = useMemo(() => new Map(Array.from(order, (point, i) => [point, i])), [order]);
  // Few points are seen well, many as a cloud.
  const size = order.length < 400 ? "dots" : order.length < 4000 ? "grains" : "dust";
  return (
    <figure class="cloud">
      <figcaption ref={place}>
        <strong>{readable(data.title)}</strong> {readable(data.note ?? "")} A click leads to the
        {" "}
        {what}.
      </figcaption>
      <Legend entries={(data.kinds ?? []).filter((_, kind) => paths[kind]?.length > 0)} />
      <Drawing
        data={data}
        frame={frame}
        name={`${readable(data.title)}: ${order.length} points; the slider below goes through them`}
        onPointerMove={(event) => event.pointerType === "mouse" && setChosen(near(event))}
        onClick={(event) => {
          const point = near(event);
          const isMouse = !(event instanceof PointerEvent) || event.pointerType === "mouse";
          if (point === undefined) return;
          // A finger chooses first: what it has hit is said below, with a link.
          if (isMouse || point === chosen) void follow(point);
          else setChosen(point);
        }}
      >
        {paths.map((shades, kind) =>
          shades.map(({ d, shade }) => (
            <path
              key={`${kind} ${shade}`}
              class={`${joined ? "line" : size} c${(data.kinds?.[kind]?.[1] ?? 0) % 6}`}
              opacity={joined || size === "dots" ? 0.8 : [0.45, 0.75, 1][shade]}
              d={d}
            />
          ))
        )}
        {chosen !== undefined && x[chosen] !== NOWHERE && (
          <circle
            class="chosen"
            cx={frame.x(x[chosen] / WHOLE)}
            cy={frame.y(y[chosen] / WHOLE)}
            r={6}
          />
        )}
      </Drawing>
      <input
        type="range"
        class="steps"
        min={0}
        max={Math.max(0, order.length - 1)}
        value={at.get(chosen ?? -1) ?? 0}
        aria-label={`${readable(data.title)}: point`}
        aria-valuetext={told ? `${told.name}: ${told.text}` : `no ${what} chosen`}
        onInput={(event) => setChosen(order[Number((event.target as HTMLInputElement).value)])}
        onKeyDown={(event) => event.key === "Enter" && void follow(chosen ?? order[0])}
      />
      <p class="told" aria-live="polite">
        {told
          ? (
            <>
              {told.href === undefined
                ? <strong>{told.name}</strong>
                : <a href={told.href}>{told.name}</a>} <span dir="auto">{told.text}</span>
            </>
          )
          : <span class="soft">Point at a {what}, or use the slider; Enter follows it.</span>}
      </p>
    </figure>
  );
}

/** What is told of a point, once it has been chosen for a moment. */
function useTold(point: number | undefined, tell: Cloud["tell"]): Told | undefined {
  const [told, setTold] = useState<Told & { point?: number }>();
  const last = useRef(point);
  last.current = point;
  useEffect(() => {
    if (point === undefined) return;
    const timer = setTimeout(() =>
      tell(point).then(
        (found) => last.current === point && setTold({ ...found, point }),
        (error) => last.current === point && setTold({ name: String(error), text: "", point }),
      ), 60);
    return () => clearTimeout(timer);
  }, [point, tell]);
  // What was told before stays until then: lines that come and go would flicker.
  return point === undefined ? undefined : told;
}

interface Shade {
  d: string;
  /** The more points a pixel has, the darker it is. */
  shade: number;
}

/** Points as paths: one for each kind and shade; of points on one pixel one is drawn. */
function drawPoints({ data, x, y, kindOf, joined }: Cloud, frame: Frame): Shade[][] {
  const kinds = data.kinds?.length ?? 1;
  const [wide, high] = [frame.width + 1, frame.height + 1];
  const parts = Array.from({ length: kinds }, () => ["", "", ""]);
  const place = (point: number) => [frame.x(x[point] / WHOLE), frame.y(y[point] / WHOLE)] as const;
  if (joined) {
    let [before, pixel] = [-1, ""];
    for (let point = 0; point < x.length; point++) {
      const kind = kindOf(point);
      const [left, top] = place(point).map((value) => value.toFixed(1));
      const now = `${left} ${top}`;
      const isNew = kind !== before;
      if (isNew && point > 0) {
        // A phase begins where the one before it ends.
        parts[kind][0] += `M${place(point - 1).map((value) => value.toFixed(1)).join(" ")}`;
      } else if (isNew) parts[kind][0] += `M${now}`;
      if (now !== pixel) parts[kind][0] += `L${now}`;
      [before, pixel] = [kind, now];
    }
  } else {
    const counts = Array.from({ length: kinds }, () => new Uint8Array(wide * high));
    for (let point = 0; point < x.length; point++) {
      if (x[point] === NOWHERE) continue;
      const [left, top] = place(point);
      const at = Math.round(top) * wide + Math.round(left);
      const own = counts[kindOf(point)];
      if (own[at] < 255) own[at]++;
    }
    counts.forEach((own, kind) =>
      own.forEach((count, at) => {
        if (count === 0) return;
        const shade = count === 1 ? 0 : count < 5 ? 1 : 2;
        parts[kind][shade] += `M${at % wide} ${Math.floor(at / wide)}h0`;
      })
    );
  }
  return parts.map((own) => own.map((d, shade) => ({ d, shade })).filter(({ d }) => d !== ""));
}
