/** @jsxImportSource preact */
/// <reference lib="dom" />
import type { VNode } from "preact";
import { useMemo, useState } from "preact/hooks";
import { contextAt, type LatentOrder, type RankedLatent, rankLatents } from "./rank_latents.ts";
import { percent, short } from "./hooks.ts";
import { Context, Token } from "./tokens.tsx";
import type { ShownLatents, ShownText } from "./training.ts";

const LISTED = 12;

const ORDERS: [LatentOrder, string][] = [
  ["clear", "one token first"],
  ["strong", "largest activation first"],
  ["frequent", "most frequent first"],
];

/** Latents in training with their strongest tokens in context. */
export function FormingLatents({ text, now }: { text: ShownText; now: ShownLatents }): VNode {
  const [order, setOrder] = useState<LatentOrder>("clear");
  const [listed, setListed] = useState(LISTED);
  // Numbers of the latents that stay, in their order.
  const [held, setHeld] = useState<number[]>();
  const ranked = useMemo(() => rankLatents(now, text.tokens, order), [now, text, order]);
  const byLatent = useMemo(() => new Map(ranked.map((one) => [one.latent, one])), [ranked]);
  const shown: [number, RankedLatent | undefined][] = held
    ? held.map((latent) => [latent, byLatent.get(latent)])
    : ranked.slice(0, listed).map((one) => [one.latent, one]);
  return (
    <section>
      <h2>
        Latents after step {now.step}{" "}
        <small>
          {ranked.length} were active in {text.tokens.length} tokens of the text
        </small>
      </h2>
      <div class="filters">
        <label>
          Order{" "}
          <select
            value={order}
            onChange={(event) => {
              setOrder((event.target as HTMLSelectElement).value as LatentOrder);
              setHeld(undefined);
            }}
          >
            {ORDERS.map(([name, words]) => <option key={name} value={name}>{words}</option>)}
          </select>
        </label>
        <label>
          <input
            type="checkbox"
            checked={held !== undefined}
            onChange={(event) =>
              setHeld(
                (event.target as HTMLInputElement).checked
                  ? shown.map(([latent]) => latent)
                  : undefined,
              )}
          />{" "}
          stay with these latents
        </label>
      </div>
      <div class="forming">
        {shown.map(([latent, one]) => (
          <div class="card" key={latent}>
            <h3>
              Latent {latent} {one && <Token text={one.token} />}{" "}
              <small>
                {one
                  ? `${one.same} of its ${one.peaks} strongest; largest ${
                    short(one.max)
                  }, active at ${percent(one.actives / text.tokens.length)}`
                  : "not active now"}
              </small>
            </h3>
            <ol class="contexts">
              {one?.positions.slice(0, 3).map((position) => (
                <Context
                  key={position}
                  context={contextAt(position, latent, now, text)}
                  max={one.max}
                />
              ))}
            </ol>
          </div>
        ))}
      </div>
      {!held && listed < ranked.length && (
        <button
          type="button"
          onClick={() => setListed(listed + 2 * LISTED)}
        >
          more latents
        </button>
      )}
    </section>
  );
}
