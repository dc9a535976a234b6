/** @jsxImportSource preact */
/// <reference lib="dom" />
import type { VNode } from "preact";
import { readable } from "../readable.ts";
import type { SearchIndex } from "../search_index.ts";
import { Graph, type GraphNode, Histogram } from "./charts.tsx";
import type { SaeData } from "./data.ts";
import { short, useLoaded } from "./hooks.ts";
import { latentNodes, Neighbours } from "./latent.tsx";
import { nameOfMeta } from "./names.ts";
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
  const label = index?.metaLabels?.[meta];
  return (
    <>
      <h1 tabIndex={-1}>{title}</h1>
      <p class="about">
        {label
          ? (
            <>
              <strong dir="auto">{readable(label.text)}</strong>{" "}
              <small>label from {readable(label.source)}</small>
            </>
          )
          : "no label"}
      </p>
      <p class="about">
        part of {value.total} latents of <a href={address(sae.name)}>{readable(sae.name)}</a>
        {value.total > LISTED ? `; the ${LISTED} with the largest weights are listed` : ""}
      </p>
      <p>
        {meta > 0 && <a href={address(sae.name, "meta", meta - 1)}>previous</a>}{" "}
        {meta < last && <a href={address(sae.name, "meta", meta + 1)}>next</a>}
      </p>
      {value.latents.length > 0 && (
        <>
          <MetaGraph {...{ sae, meta, index }} latents={value.latents.slice(0, 5)} />
          <Histogram
            counts={counts}
            low={0}
            high={most}
            name={`Weights${value.total > MOST ? `, the ${MOST} largest` : ""}`}
          />
        </>
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

/** The latents that a meta-latent is most of, and the meta-latents that these are made of besides (Fig. 1). */
function MetaGraph(
  { sae, meta, latents, index }: {
    sae: SaeData;
    meta: number;
    latents: [latent: number, weight: number][];
    index?: SearchIndex;
  },
): VNode {
  const root = useLoaded(async (): Promise<GraphNode> => {
    const reader = await sae.reader();
    const nodes = await latentNodes(sae, latents, index);
    const next = await Promise.all(nodes.map(async (node, i): Promise<GraphNode> => {
      const [latent, weight] = latents[i];
      const place = await sae.placeOf(latent);
      const all = place === undefined ? [] : (await reader.record(place)).metaLatents;
      const others = all.filter(([other]) => other !== meta).sort((a, b) => b[1] - a[1]).slice(
        0,
        4,
      );
      const most = Math.max(1e-9, ...all.map(([, weight]) => weight));
      return {
        ...node,
        name: `latent ${latent}, ${short(weight)}`,
        next: others.map(([other, weight]): GraphNode => ({
          href: address(sae.name, "meta", other),
          ...{ name: `meta ${other}`, label: nameOfMeta(index, other), weight: weight / most },
        })),
      };
    }));
    const label = nameOfMeta(index, meta);
    return {
      href: address(sae.name, "meta", meta),
      name: `meta-latent ${meta}`,
      label,
      weight: 1,
      next,
    };
  }, [sae.name, meta, index !== undefined]);
  return (
    <section class="card">
      <h2>
        Its latents, and what else they are made of <small>by weight</small>
      </h2>
      {root.error && <p class="failed">{root.error}</p>}
      {root.value && <Graph root={root.value} />}
    </section>
  );
}
