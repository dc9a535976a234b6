/** @jsxImportSource preact */
/// <reference lib="dom" />
import type { VNode } from "preact";
import { NONE } from "../pair_rows.ts";
import { readable } from "../readable.ts";
import type { SaeData, SitePairData } from "./data.ts";
import { percent, short, signed, useLoaded } from "./hooks.ts";
import { address, pairAddress } from "./route.ts";

/** What stitching says of a latent, for each pair that it is in. */
export function LatentPairs(
  { sae, pairs, latent }: { sae: SaeData; pairs: SitePairData[]; latent: number },
): VNode | null {
  const own = pairs.filter(({ small, large }) => small === sae || large === sae);
  if (own.length === 0) return null;
  return (
    <section class="card">
      <h2>Stitched</h2>
      <ul class="stitched">
        {own.map((pair) => (
          <li key={pair.path}>
            <a href={pairAddress(pair, pair.large === sae ? { latent } : {})}>
              {readable(pair.small.name)} → {readable(pair.large.name)}
            </a>
            {pair.large === sae && <InLarge {...{ pair, latent }} />}
            {pair.small === sae && <InSmall {...{ pair, latent }} />}
          </li>
        ))}
      </ul>
    </section>
  );
}

function InLarge({ pair, latent }: { pair: SitePairData; latent: number }): VNode {
  const { value, error } = useLoaded(async () => {
    const reader = await pair.reader();
    return { row: await reader.effect(latent), threshold: reader.data.threshold };
  }, [pair.path, latent]);
  if (error) return <span class="failed">{error}</span>;
  if (!value) return <span class="soft">reading …</span>;
  const { row: { cosine, nearest, deltaMse, deltaL0, group }, threshold } = value;
  return (
    <span>
      : <strong>{cosine < threshold ? "novel" : "reconstruction"}</strong>, nearest{" "}
      <a href={address(pair.small.name, "latent", nearest)}>
        latent {nearest} of {readable(pair.small.name)}
      </a>{" "}
      (cosine {short(cosine)}); added alone it changes the MSE by {signed(deltaMse)}, active in{" "}
      {percent(deltaL0)}
      {group !== NONE && (
        <>
          ; in <a href={pairAddress(pair, { group })}>group {group}</a>
        </>
      )}
    </span>
  );
}

function InSmall({ pair, latent }: { pair: SitePairData; latent: number }): VNode {
  const { value, error } = useLoaded(async () => {
    const reader = await pair.reader();
    const group = await reader.groupOfSmall(latent);
    return { group, found: group === NONE ? undefined : (await reader.groups(group, 1, 4))[0] };
  }, [pair.path, latent]);
  if (error) return <span class="failed">{error}</span>;
  if (!value) return <span class="soft">reading …</span>;
  const { group, found } = value;
  if (!found) {
    return <span>: no latent of {readable(pair.large.name)} is like it</span>;
  }
  return (
    <span>
      : in <a href={pairAddress(pair, { group })}>group {group}</a>, {found.small} ↔ {found.large}
      {found.members.large.map((one, i) => (
        <span key={one}>
          {i === 0 ? ", with " : ", "}
          <a href={address(pair.large.name, "latent", one)}>
            latent {one}
            {i === 0 ? ` of ${readable(pair.large.name)}` : ""}
          </a>
        </span>
      ))}
      {found.large > found.members.large.length ? " …" : ""}
    </span>
  );
}
