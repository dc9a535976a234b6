/** @jsxImportSource preact */
/// <reference lib="dom" />
import type { VNode } from "preact";
import { useState } from "preact/hooks";
import type { ContextRecord, DashboardRecord } from "../dashboard_record.ts";
import type { SearchIndex } from "../search_index.ts";
import { readable } from "../readable.ts";
import { Graph, type GraphNode, Histogram } from "./charts.tsx";
import type { SaeData, Site } from "./data.ts";
import { percent, short, useLoaded } from "./hooks.ts";
import { LatentPairs } from "./latent_pairs.tsx";
import { nameOf, nameOfMeta } from "./names.ts";
import { Failed, Waiting } from "./parts.tsx";
import { address } from "./route.ts";
import { Context, Token } from "./tokens.tsx";

/** Everything of one latent (Fig. 12). */
export function LatentPage(
  { sae, site, latent }: { sae: SaeData; site: Site; latent: number },
): VNode {
  const { value, error } = useLoaded(async () => {
    const place = await sae.placeOf(latent);
    if (place === undefined) throw new Error(`${sae.name} has no dashboard of latent ${latent}`);
    const record = await (await sae.reader()).record(place);
    return { place, record };
  }, [sae.name, latent]);
  if (error) return <Failed title={`Latent ${latent}`} error={error} />;
  if (!value) return <Waiting title={`Latent ${latent}`} />;
  return <Latent {...{ sae, site }} record={value.record} />;
}

function Latent(
  { sae, site, record }: { sae: SaeData; site: Site; record: DashboardRecord },
): VNode {
  const { latent, density, actives, mean, max, histogram, logits, label } = record;
  const index = useLoaded(() => sae.search(), [sae.name]).value;
  return (
    <>
      <h1 tabIndex={-1}>Latent {latent}</h1>
      <p class="about">
        {label
          ? (
            <>
              <strong dir="auto">{readable(label.text)}</strong>{" "}
              <small>
                label from {readable(label.source)}
                {label.score === undefined ? "" : `, score ${short(label.score)}`}
              </small>
            </>
          )
          : "no label"}
      </p>
      <dl class="numbers">
        <div>
          <dt>density</dt>
          <dd>
            {percent(density)}
            <small>{actives} samples</small>
          </dd>
        </div>
        <div>
          <dt>largest activation</dt>
          <dd>{short(max)}</dd>
        </div>
        <div>
          <dt>mean where active</dt>
          <dd>{short(mean)}</dd>
        </div>
        <div>
          <dt>nearest latent</dt>
          <dd>
            {record.nearest.length > 0 ? short(record.nearest[0][1]) : "–"}
            <small>cosine</small>
          </dd>
        </div>
      </dl>
      <div class="columns">
        <Histogram
          counts={histogram.counts}
          low={0}
          high={histogram.width * histogram.counts.length}
          name="Activations above zero"
        />
        {logits && <Histogram {...logits.histogram} name="Effects on logits" />}
      </div>
      <Contexts title="Contexts with the largest activations" contexts={record.top} max={max} />
      {logits && (
        <section class="columns">
          <Logits title="Raises the logits of" tokens={logits.promoted} />
          <Logits title="Lowers the logits of" tokens={logits.suppressed} />
        </section>
      )}
      <LatentPairs sae={sae} pairs={site.pairs} latent={latent} />
      {record.intervals.toReversed().filter(({ samples }) => samples.length > 0).map((interval) => (
        <Contexts
          key={interval.low}
          title={`Activations from ${short(interval.low)} to ${short(interval.high)}`}
          note={`${interval.count} in all, a random sample`}
          contexts={interval.samples}
          max={max}
        />
      ))}
      <Meta {...{ sae, record, index }} />
      <section class="columns">
        <Neighbours title="Nearest latents here" sae={sae} list={record.nearest} index={index} />
        <Neighbours
          title="Active together"
          unit="correlation"
          sae={sae}
          list={record.coactive.map(([one, correlation]) => [one, correlation])}
          index={index}
        />
        {record.others.map(({ name, nearest }) => (
          <Others
            key={name}
            {...{ sae, name, nearest, site }}
          />
        ))}
      </section>
    </>
  );
}

function Logits({ title, tokens }: { title: string; tokens: [string, number][] }): VNode {
  return (
    <div class="card">
      <h2>{title}</h2>
      <ul class="pairs">
        {tokens.map(([text, logit], i) => (
          <li key={i}>
            <Token text={text} />
            <span>{short(logit)}</span>
          </li>
        ))}
      </ul>
    </div>
  );
}

function Contexts(
  { title, note, contexts, max }: {
    title: string;
    note?: string;
    contexts: ContextRecord[];
    max: number;
  },
): VNode {
  const [all, setAll] = useState(false);
  const shown = all ? contexts : contexts.slice(0, 8);
  return (
    <section class="card">
      <h2>{title} {note && <small>{note}</small>}</h2>
      {contexts.length === 0 && <p class="soft">It was active nowhere in these texts.</p>}
      <ol class="contexts">
        {shown.map((context, i) => <Context key={i} context={context} max={max} />)}
      </ol>
      {shown.length < contexts.length && (
        <button type="button" onClick={() => setAll(true)}>show all {contexts.length}</button>
      )}
    </section>
  );
}

/** Links to latents with a number each. */
export function Neighbours(
  { title, sae, list, index, unit = "cosine" }: {
    title: string;
    sae: SaeData;
    list: [latent: number, value: number][];
    index?: SearchIndex;
    unit?: string;
  },
): VNode | null {
  const places = useLoaded(
    () => Promise.all(list.map(([latent]) => sae.placeOf(latent))),
    [sae.name, list],
  ).value;
  if (list.length === 0) return null;
  return (
    <div class="card">
      <h2>
        {title} <small>{unit}</small>
      </h2>
      <ul class={list.length > 30 ? "pairs many" : "pairs"}>
        {list.map(([latent, value], i) => {
          const known = !places || places[i] !== undefined;
          return (
            <li key={latent}>
              {known ? <a href={address(sae.name, "latent", latent)}>{latent}</a> : latent}
              <span class="label" dir="auto">{nameOf(index, places?.[i])}</span>
              <span>{short(value)}</span>
            </li>
          );
        })}
      </ul>
    </div>
  );
}

/** Neighbours in another SAE: links where the site has it, by the digest of its decoder rows. */
function Others(
  { sae, name, nearest, site }: {
    sae: SaeData;
    name: string;
    nearest: [number, number][];
    site: Site;
  },
): VNode {
  const near = (sae.manifest.sae.with ?? []) as { name: string; decoderDigest?: string }[];
  const digest = near.find((one) => one.name === name)?.decoderDigest;
  const other = site.saes.find(({ manifest }) =>
    digest !== undefined && manifest.sae.decoderDigest === digest
  );
  const index = useLoaded(async () => await other?.search(), [other?.name]).value;
  const title = `Nearest latents in ${readable(other?.name ?? name)}`;
  if (other) return <Neighbours title={title} sae={other} list={nearest} index={index} />;
  return (
    <div class="card">
      <h2>
        {title} <small>cosine</small>
      </h2>
      <ul class="pairs">
        {nearest.map(([latent, value]) => (
          <li key={latent}>
            {latent}
            <span>{short(value)}</span>
          </li>
        ))}
      </ul>
    </div>
  );
}

/** The meta-latents of a latent as a graph whose nodes lead on (Fig. 1). */
function Meta(
  { sae, record, index }: { sae: SaeData; record: DashboardRecord; index?: SearchIndex },
): VNode | null {
  const strongest = record.metaLatents.toSorted((a, b) => b[1] - a[1]).slice(0, 5);
  const root = useLoaded(async (): Promise<GraphNode> => {
    const reader = await sae.reader();
    const most = Math.max(1e-9, ...strongest.map(([, weight]) => weight));
    const next = await Promise.all(strongest.map(async ([meta, weight]): Promise<GraphNode> => ({
      href: address(sae.name, "meta", meta),
      ...{ name: `meta-latent ${meta}, ${short(weight)}`, weight: weight / most },
      label: nameOfMeta(index, meta),
      next: await latentNodes(
        sae,
        (await reader.latentsOf(meta, 5)).latents.filter(([one]) => one !== record.latent).slice(
          0,
          4,
        ),
        index,
      ),
    })));
    const label = nameOf(index, await sae.placeOf(record.latent));
    const href = address(sae.name, "latent", record.latent);
    return { href, name: `latent ${record.latent}`, label, weight: 1, next };
  }, [sae.name, record.latent, index !== undefined]);
  if (strongest.length === 0) return null;
  return (
    <section class="card">
      <h2>Meta-latents</h2>
      {root.error && <p class="failed">{root.error}</p>}
      {root.value && <Graph root={root.value} />}
    </section>
  );
}

/** Latents as nodes of a graph, edges by weight. */
export async function latentNodes(
  sae: SaeData,
  latents: [latent: number, weight: number][],
  index: SearchIndex | undefined,
): Promise<GraphNode[]> {
  const most = Math.max(1e-9, ...latents.map(([, weight]) => weight));
  return await Promise.all(latents.map(async ([latent, weight]) => ({
    href: address(sae.name, "latent", latent),
    ...{ name: `${latent}`, weight: Math.max(0, weight / most) },
    label: nameOf(index, await sae.placeOf(latent)),
  })));
}
