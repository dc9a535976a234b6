/** @jsxImportSource preact */
/// <reference lib="dom" />
import type { VNode } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { readable } from "../readable.ts";
import { type AskedWorker, startWorker } from "./ask_worker.ts";
import type { SaeData } from "./data.ts";
import type { EncodedText } from "./own.ts";
import { namedDevice } from "./page_device.ts";
import { short, useLoaded } from "./hooks.ts";
import { nameOf } from "./names.ts";
import { address } from "./route.ts";
import { shade } from "./tokens.tsx";

const EXAMPLE = "The old man took his hat and went to the office in London.";
const MOST_LATENTS = 30;

const workers = new Map<string, AskedWorker>();

/** Encodes a text by an SAE's worker; its script, the model and the runtime are fetched on first use. */
function encodeText(sae: SaeData, text: string, query: URLSearchParams): Promise<EncodedText> {
  const device = namedDevice(query);
  const key = `${sae.name} ${device}`;
  const worker = workers.get(key) ?? startWorker();
  workers.set(key, worker);
  const encoded = worker.ask<EncodedText>(
    { call: "encode", model: sae.model!, own: sae.own!, device, text },
  );
  encoded.catch(() => {
    // What failed is tried again.
    worker.end();
    workers.delete(key);
  });
  return encoded;
}

/** The reader's own text: tokens shaded by a latent, and the latents that are active in it. */
export function TextPage({ sae, query }: { sae: SaeData; query: URLSearchParams }): VNode {
  const [text, setText] = useState(EXAMPLE);
  const [token, setToken] = useState<number>();
  const [state, setState] = useState<{ busy: boolean; error?: string; encoded?: EncodedText }>({
    busy: true,
  });
  const last = useRef(0);
  useEffect(() => {
    const turn = ++last.current;
    const run = async () => {
      setState((before) => ({ ...before, busy: true }));
      try {
        const encoded = await encodeText(sae, text, query);
        if (turn !== last.current) return;
        setToken(undefined);
        setState({ busy: false, encoded });
      } catch (error) {
        if (turn === last.current) {
          setState({ busy: false, error: String((error as Error)?.message ?? error) });
        }
      }
    };
    const timer = setTimeout(run, 250);
    return () => clearTimeout(timer);
  }, [text]);
  const { encoded } = state;
  const given = Number(query.get("latent") ?? NaN);
  const strongest = encoded ? rank(encoded, token) : [];
  const latent = Number.isInteger(given) ? given : strongest[0]?.[0];
  return (
    <>
      <h1 tabIndex={-1}>Own text</h1>
      <label class="block">
        Text
        <textarea
          rows={4}
          maxLength={20000}
          value={text}
          onInput={(event) => setText((event.target as HTMLTextAreaElement).value)}
        />
      </label>
      <p class="soft" role="status">
        {state.busy ? encoded ? "encoding …" : "fetching the model and the runtime …" : encoded &&
          `${encoded.tokens.length} tokens, on ${encoded.device}${
            encoded.cut ? "; the text is longer than the model's context, its end is left out" : ""
          }`}
      </p>
      {state.error && <p class="failed" role="alert">{state.error}</p>}
      {encoded && latent !== undefined && <Shaded {...{ sae, encoded, latent, token, setToken }} />}
      {encoded && (
        <Strongest
          {...{ sae, strongest, latent, token, query }}
          all={() => setToken(undefined)}
          text={encoded.tokens[token ?? -1]}
        />
      )}
    </>
  );
}

/** Latents by their largest activation in the text, or by that at a token. */
function rank({ rowOffsets, latents, values }: EncodedText, token?: number): [number, number][] {
  const most = new Map<number, number>();
  const [from, to] = token === undefined
    ? [0, latents.length]
    : [rowOffsets[token], rowOffsets[token + 1]];
  for (let i = from; i < to; i++) {
    most.set(latents[i], Math.max(most.get(latents[i]) ?? 0, values[i]));
  }
  return [...most].sort((a, b) => b[1] - a[1] || a[0] - b[0]);
}

function Shaded(
  { sae, encoded, latent, token, setToken }: {
    sae: SaeData;
    encoded: EncodedText;
    latent: number;
    token?: number;
    setToken: (token: number | undefined) => void;
  },
): VNode {
  const { tokens, rowOffsets, latents, values } = encoded;
  const own = tokens.map((_, t) => {
    for (let i = rowOffsets[t]; i < rowOffsets[t + 1]; i++) {
      if (latents[i] === latent) return values[i];
    }
    return 0;
  });
  const max = Math.max(...own, 0);
  return (
    <section class="card">
      <h2>
        Latent <a href={address(sae.name, "latent", latent)}>{latent}</a>{" "}
        <small>largest {short(max)}; a token's button lists its latents</small>
      </h2>
      <div class="text tokens" dir="auto">
        {tokens.map((text, t) => (
          <button
            key={t}
            type="button"
            class={own[t] > 0 ? "on" : ""}
            aria-pressed={t === token}
            style={{ "--a": own[t] > 0 ? shade(own[t], max) : "0" }}
            data-value={own[t] > 0 ? short(own[t]) : undefined}
            onClick={() => setToken(t === token ? undefined : t)}
          >
            {readable(text)}
          </button>
        ))}
      </div>
    </section>
  );
}

function Strongest(
  { sae, strongest, latent, token, text, all, query }: {
    sae: SaeData;
    query: URLSearchParams;
    strongest: [number, number][];
    latent?: number;
    token?: number;
    text?: string;
    all: () => void;
  },
): VNode {
  const index = useLoaded(() => sae.search(), [sae.name]).value;
  const shown = strongest.slice(0, MOST_LATENTS);
  const places = useLoaded(
    () => Promise.all(shown.map(([one]) => sae.placeOf(one))),
    [sae.name, shown.map(([one]) => one)],
  ).value;
  return (
    <section class="card">
      <h2>
        {token === undefined ? "Strongest latents" : (
          <>
            Latents at <code class="token">{readable(text ?? "")}</code>
          </>
        )} <small>{strongest.length} active</small>
      </h2>
      {token !== undefined && <button type="button" onClick={all}>all tokens</button>}
      <ul class="pairs">
        {shown.map(([one, value], i) => (
          <li key={one}>
            <a
              href={address(sae.name, "text", undefined, {
                latent: one,
                device: query.get("device") ?? undefined,
              })}
              aria-current={one === latent ? "true" : undefined}
              aria-label={`shade by latent ${one}`}
            >
              {one}
            </a>
            <span class="label" dir="auto">{nameOf(index, places?.[i])}</span>
            <a href={address(sae.name, "latent", one)} aria-label={`dashboard of latent ${one}`}>
              dashboard
            </a>
            <span>{short(value)}</span>
          </li>
        ))}
      </ul>
    </section>
  );
}
