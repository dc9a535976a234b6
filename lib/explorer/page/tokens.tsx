/** @jsxImportSource preact */
/// <reference lib="dom" />
import type { VNode } from "preact";
import type { ContextRecord } from "../dashboard_record.ts";
import { readable } from "../readable.ts";
import { short } from "./hooks.ts";

/** A stretch of text, its tokens shaded by activation; values appear under the pointer or a finger. */
export function Context(
  { context: { row, position, peak, tokens, active }, max }: {
    context: ContextRecord;
    max: number;
  },
): VNode {
  const values = new Map(active);
  return (
    <li>
      <span class="peak" title={`row ${row}, position ${position}`}>
        {short(values.get(peak) ?? 0)}
      </span>
      <span class="text" dir="auto">
        {tokens.map((token, i) => {
          const value = values.get(i);
          if (value === undefined) return <bdi key={i}>{readable(token)}</bdi>;
          return (
            <bdi
              key={i}
              class={i === peak ? "on top" : "on"}
              style={{ "--a": shade(value, max) }}
              data-value={short(value)}
            >
              {readable(token)}
            </bdi>
          );
        })}
      </span>
    </li>
  );
}

/** How strongly a value is shaded, from 0 to 1; weak ones are still seen. */
export function shade(value: number, max: number): string {
  const share = max > 0 ? Math.min(1, value / max) : 0;
  return (0.12 + 0.88 * share).toFixed(3);
}

/** A token on its own, its spaces visible. */
export function Token({ text }: { text: string }): VNode {
  return <code class="token">{readable(text).replaceAll(" ", "␣")}</code>;
}
