/** @jsxImportSource preact */
/// <reference lib="dom" />
import type { VNode } from "preact";
import { readable } from "../readable.ts";
import { Claims, verdicts } from "./claims.tsx";
import type { SaeData, Site } from "./data.ts";
import { Figure, Pictures } from "./figure.tsx";
import { useLoaded } from "./hooks.ts";
import { address, pairAddress } from "./route.ts";

/** What runs say of an SAE: measures, claims, curves of its training. */
export function Results({ sae }: { sae: SaeData }): VNode | null {
  const { value, error } = useLoaded(
    async () => sae.results === undefined ? undefined : await sae.readResults(),
    [sae.name],
  );
  if (error) return <p class="failed" role="alert">{error}</p>;
  if (!value) return null;
  return (
    <>
      {value.measures.length > 0 && (
        <section class="card">
          <h2>
            Measures <small>from {value.from.map(readable).join(", ")}</small>
          </h2>
          <dl class="facts measures">
            {value.measures.map(([name, words]) => (
              <div key={name}>
                <dt>{readable(name)}</dt>
                <dd>{readable(words)}</dd>
              </div>
            ))}
          </dl>
        </section>
      )}
      {value.claims.map((claims) => <Claims key={claims.title} {...claims} />)}
      {value.figures.length > 0 && (
        <div class="columns">
          {value.figures.map((figure, i) => <Figure key={i} data={figure} />)}
        </div>
      )}
      <Pictures path={sae.results!} pictures={value.pictures} />
    </>
  );
}

/** Pairs and sweeps that an SAE belongs to. */
export function Related({ sae, site }: { sae: SaeData; site: Site }): VNode | null {
  const pairs = site.pairs.filter(({ small, large }) => small === sae || large === sae);
  const sweeps = site.sweeps.map((sweep, number) => ({ ...sweep, number }))
    .filter(({ saes }) => saes.some((place) => site.saes[place] === sae));
  if (pairs.length === 0 && sweeps.length === 0) return null;
  return (
    <section class="card">
      <h2>Beside other SAEs</h2>
      <ul>
        {pairs.map((pair) => (
          <li key={pair.path}>
            <a href={pairAddress(pair)}>
              {readable(pair.small.name)} → {readable(pair.large.name)}
            </a>{" "}
            <span class="soft">stitched; claims: {verdicts(pair.claims)}</span>
          </li>
        ))}
        {sweeps.map(({ kind, name, number }) => (
          <li key={number}>
            <a href={address(sae.name, "sweep", number)}>{kind} {readable(name)}</a>
          </li>
        ))}
      </ul>
    </section>
  );
}
