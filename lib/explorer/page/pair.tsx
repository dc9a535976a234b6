/** @jsxImportSource preact */
/// <reference lib="dom" />
import type { VNode } from "preact";
import { useCallback, useMemo } from "preact/hooks";
import type { PairData } from "../pair_data.ts";
import { NONE, PHASES, WHOLE } from "../pair_rows.ts";
import { readable } from "../readable.ts";
import { Claims } from "./claims.tsx";
import { CloudFigure, type Told } from "./cloud.tsx";
import type { SaeData, SitePairData } from "./data.ts";
import { Pictures } from "./figure.tsx";
import { Groups } from "./groups.tsx";
import { percent, short, signed, useLoaded } from "./hooks.ts";
import { nameOf } from "./names.ts";
import { Missing } from "./missing.tsx";
import type { PairReader, Places } from "./pair_reader.ts";
import { Failed, Waiting } from "./parts.tsx";
import { address, pairAddress } from "./route.ts";

/** Two SAEs that were stitched: Fig. 4 and 5, groups, novel latents, claims. */
export function PairPage(
  { pair, query }: { pair: SitePairData; query: URLSearchParams },
): VNode {
  const title = `${readable(pair.small.name)} → ${readable(pair.large.name)}`;
  const { value, error } = useLoaded(() => pair.reader(), [pair.path]);
  if (error) return <Failed title={title} error={error} />;
  if (!value) return <Waiting title={title} />;
  return <Pair {...{ pair, title, query }} reader={value} />;
}

function Pair(
  { pair, reader, title, query }: {
    pair: SitePairData;
    reader: PairReader;
    title: string;
    query: URLSearchParams;
  },
): VNode {
  const { data } = reader;
  const { small, large } = pair;
  const kind = query.get("groups") ?? "";
  const asked = query.get("latent") ?? "";
  // An address can be mistyped.
  const isLatent = /^\d+$/.test(asked) && Number(asked) < data.saes[1].dictSize;
  return (
    <>
      <h1 tabIndex={-1}>{title}</h1>
      <p class="about">
        <a href={address(small.name)}>{readable(small.name)}</a> stitched into{" "}
        <a href={address(large.name)}>{readable(large.name)}</a>, measured on {data.source.samples}
        {" "}
        samples of {readable(data.source.model)} at {readable(data.source.hook)}.{" "}
        <a href={address(large.name, "sweep", pair.sweep)}>the whole chain</a>
      </p>
      <Numbers data={data} />
      <Effects {...{ pair, reader }} chosen={isLatent ? Number(asked) : undefined} />
      <Path {...{ pair, reader }} />
      <Groups {...{ pair, reader }} kind={kind} page={Number(query.get("page") ?? 1)} />
      <Missing {...{ pair, reader }} page={Number(query.get("novel") ?? 1)} />
      <Claims title="Claims of section 4" warnings={data.warnings} claims={data.claims} />
      <Pictures path={pair.path} pictures={data.pictures} />
    </>
  );
}

function Numbers({ data }: { data: PairData }): VNode {
  const [small, large] = data.saes;
  return (
    <dl class="numbers">
      <div>
        <dt>novel latents</dt>
        <dd>
          {data.novel}
          <small>of {large.dictSize}, below θ = {data.threshold}</small>
        </dd>
      </div>
      <div>
        <dt>latents</dt>
        <dd>
          {small.dictSize} → {large.dictSize}
        </dd>
      </div>
      <div>
        <dt>NMSE</dt>
        <dd>
          {short(small.nmse)} → {short(large.nmse)}
        </dd>
      </div>
      <div>
        <dt>L0</dt>
        <dd>
          {short(small.l0)} → {short(large.l0)}
        </dd>
      </div>
    </dl>
  );
}

/** What a latent is called, with its label once the index has come. */
async function named(sae: SaeData, latent: number): Promise<string> {
  const [index, place] = await Promise.all([sae.search(), sae.placeOf(latent)]);
  const label = nameOf(index, place);
  return label === "" ? "" : `${label}; `;
}

/** The effect of each latent of the large SAE alone (Fig. 4). */
function Effects(
  { pair, reader, chosen }: { pair: SitePairData; reader: PairReader; chosen?: number },
): VNode {
  const { value, error } = useLoaded(() => reader.effectPlaces(), [pair.path]);
  const { data } = reader;
  const tell = useCallback(async (latent: number): Promise<Told> => {
    const [row, label] = await Promise.all([reader.effect(latent), named(pair.large, latent)]);
    const kind = row.cosine < data.threshold ? "novel" : "reconstruction";
    return {
      name: `latent ${latent}`,
      href: address(pair.large.name, "latent", latent),
      text: `${label}${kind}: MSE ${signed(row.deltaMse)}, cosine ${short(row.cosine)} with ` +
        `latent ${row.nearest} of ${readable(pair.small.name)}, active in ${percent(row.deltaL0)}`,
    };
  }, [reader]);
  if (error) return <p class="failed" role="alert">{error}</p>;
  if (!value) return <p class="soft" role="status">reading …</p>;
  const [x, y] = value;
  const threshold = (data.effects.marks?.[0]?.at ?? 0) * WHOLE;
  return (
    <CloudFigure
      {...{ x, y, tell, chosen }}
      data={data.effects}
      kindOf={(latent) => Number(x[latent] >= threshold)}
      what="latent"
    />
  );
}

/** From the small SAE to the large one (Fig. 5). */
function Path(
  { pair, reader }: { pair: SitePairData; reader: PairReader },
): VNode {
  const { value, error } = useLoaded(() => reader.pathPlaces(), [pair.path]);
  const { path } = reader.data;
  const phases = useMemo(() => {
    const all = new Uint8Array(path.steps);
    for (const [first, phase] of path.runs) all.fill(phase, first);
    // The start is the first point of what follows it.
    if (all.length > 1) all[0] = all[1];
    return all;
  }, [path]);
  const tell = useCallback((step: number) => tellStep(pair, reader, step), [reader]);
  if (error) return <p class="failed" role="alert">{error}</p>;
  if (!value) return <p class="soft" role="status">reading …</p>;
  const [x, mse, l0] = value;
  const figure = (name: "mse" | "l0", y: Places) => (
    <CloudFigure
      {...{ x, y, tell }}
      joined
      data={path[name]}
      kindOf={(step) => phases[step]}
      what="latent or group"
    />
  );
  return (
    <div class="columns wide-columns">
      {figure("mse", mse)}
      {figure("l0", l0)}
    </div>
  );
}

async function tellStep(pair: SitePairData, reader: PairReader, step: number): Promise<Told> {
  const row = await reader.step(step);
  const measured = `${row.latents} latents, MSE ${short(row.mse)}, L0 ${short(row.l0)}`;
  const phase = PHASES[row.phase];
  if (phase === "start" || row.what === NONE) {
    return { name: readable(pair.small.name), href: address(pair.small.name), text: measured };
  }
  const text = `MSE ${signed(row.change)}, then ${measured}`;
  if (phase === "swap") {
    const [group] = await reader.groups(row.what, 1, 3);
    return {
      name: `group ${row.what}`,
      href: pairAddress(pair, { group: row.what }),
      text: `${group.small} ↔ ${group.large} latents swapped: ${text}`,
    };
  }
  const sae = phase === "insert" ? pair.large : pair.small;
  return {
    name: `latent ${row.what}`,
    href: address(sae.name, "latent", row.what),
    text: `${await named(sae, row.what)}${phase === "insert" ? "inserted" : "removed"}: ${text}`,
  };
}
