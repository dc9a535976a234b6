/** @jsxImportSource preact */
/// <reference lib="dom" />
import type { VNode } from "preact";
import { readable } from "../readable.ts";
import type { Site, SiteSweepData } from "./data.ts";
import { Figure, Pictures } from "./figure.tsx";
import { useLoaded } from "./hooks.ts";
import { Failed, Waiting } from "./parts.tsx";
import { address, pairAddress } from "./route.ts";

/** SAEs that were trained or stitched together: figures whose points lead to them, and a table. */
export function SweepPage({ site, sweep }: { site: Site; sweep: SiteSweepData }): VNode {
  const title = `${sweep.kind === "chain" ? "Chain" : "Sweep"} ${readable(sweep.name)}`;
  const { value, error } = useLoaded(() => sweep.read(), [sweep.path]);
  if (error) return <Failed title={title} error={error} />;
  if (!value) return <Waiting title={title} />;
  const hrefOf = (sae: number) => site.saes[sae] && address(site.saes[sae].name);
  const missing = value.rows.filter(({ sae }) => sae === undefined).length;
  return (
    <>
      <h1 tabIndex={-1}>{title}</h1>
      <p class="about">{value.facts.map(readable).join(" · ")}</p>
      {value.pairs.length > 0 && (
        <section class="card">
          <h2>Pairs</h2>
          <ul>
            {value.pairs.map((number) => (
              <li key={number}>
                <a href={pairAddress(site.pairs[number])}>
                  {readable(site.pairs[number].small.name)} →{" "}
                  {readable(site.pairs[number].large.name)}
                </a>
              </li>
            ))}
          </ul>
        </section>
      )}
      <div class="columns wide-columns">
        {value.figures.map((figure) => <Figure key={figure.title} data={figure} hrefOf={hrefOf} />)}
      </div>
      <div class="wide" tabIndex={0} role="region" aria-label="SAEs">
        <table>
          <thead>
            <tr>{value.head.map((name) => <th key={name} scope="col">{name}</th>)}</tr>
          </thead>
          <tbody>
            {value.rows.map(({ cells: [name, ...cells], sae }) => {
              const href = sae === undefined ? undefined : hrefOf(sae);
              return (
                <tr key={name}>
                  <th scope="row">
                    {href ? <a href={href}>{readable(name)}</a> : readable(name)}
                  </th>
                  {cells.map((cell, i) => <td key={i}>{readable(cell)}</td>)}
                </tr>
              );
            })}
          </tbody>
        </table>
      </div>
      {missing > 0 && (
        <p class="soft">{missing} of {value.rows.length} SAEs have no dashboards on this site.</p>
      )}
      <Pictures path={sweep.path} pictures={value.pictures} />
    </>
  );
}
