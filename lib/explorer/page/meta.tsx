/** @jsxImportSource preact */
/// <reference lib="dom" />
import type { VNode } from "preact";
import { Histogram } from "./charts.tsx";
import type { SaeData } from "./data.ts";
import { useLoaded } from "./hooks.ts";
import { Neighbours } from "./latent.tsx";
import { Failed, Waiting } from "./parts.tsx";
import { address } from "./route.ts";

/** Latents that are listed. */
const LISTED = 200;
/** Latents whose weights are counted: 160 kB. */
const MOST = 20_000;

/** A meta-latent: the latents that it is part of, by weight. */
export function MetaPage({ sae, meta }: { sae: SaeData; meta: number }): VNode {
  const title = `Meta-latent ${meta}`;
  const { value, error } = useLoaded(
    async () => await (await sae.reader()).latentsOf(meta, MOST),
    [sae.name, meta],
  );
  const index = useLoaded(() => sae.search(), [sae.name]).value;
  if (error) return <Failed title={title} error={error} />;
  if (!value) return <Waiting title={title} />;
  const most = Math.max(0, value.latents[0]?.[1] ?? 0);
  const counts = new Array<number>(30).fill(0);
  for (const [, weight] of value.latents) {
    counts[Math.min(29, Math.floor(30 * weight / (most || 1)))]++;
  }
  const last = sae.manifest.metaLatents - 1;
  return (
    <>
      <h1 tabIndex={-1}>{title}</h1>
      <p class="about">
        part of {value.total} latents of <a href={address(sae.name)}>{sae.name}</a>
        {value.total > LISTED ? `; the ${LISTED} with the largest weights are listed` : ""}
      </p>
      <p>
        {meta > 0 && <a href={address(sae.name, "meta", meta - 1)}>previous</a>}{" "}
        {meta < last && <a href={address(sae.name, "meta", meta + 1)}>next</a>}
      </p>
      {value.latents.length > 0 && (
        <Histogram
          counts={counts}
          low={0}
          high={most}
          name={`Weights${value.total > MOST ? `, the ${MOST} largest` : ""}`}
        />
      )}
      <Neighbours
        title="Latents"
        unit="weight"
        sae={sae}
        list={value.latents.slice(0, LISTED)}
        index={index}
      />
    </>
  );
}
