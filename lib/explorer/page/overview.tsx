/** @jsxImportSource preact */
/// <reference lib="dom" />
import type { VNode } from "preact";
import { readable } from "../readable.ts";
import { Histogram, Map } from "./charts.tsx";
import type { SaeData, Site } from "./data.ts";
import { percent, short } from "./hooks.ts";
import { Related, Results } from "./results.tsx";
import { address } from "./route.ts";

const words = (value: unknown): string => {
  if (value === undefined || value === null) return "";
  const text = typeof value === "object" ? JSON.stringify(value) : String(value);
  return readable(text.length > 200 ? `${text.slice(0, 200)}…` : text);
};

/** What is shown elsewhere, or says nothing to people. */
const HIDDEN = ["name", "with", "decoderDigest"];

/** What an SAE is, and where its latents lie. */
export function Overview({ sae, site }: { sae: SaeData; site: Site }): VNode {
  const { saes } = site;
  const { manifest, map } = sae;
  const { model, texts, samples, rows, contextLength, latents } = manifest;
  const [columns] = map.size;
  const byDensity = Array.from(
    { length: columns },
    (_, x) => map.counts.filter((_, place) => place % columns === x).reduce((a, b) => a + b, 0),
  );
  const facts: [string, unknown][] = [
    ["model", model.id],
    ["hook", model.hook],
    ["texts", texts.dataset],
    ...Object.entries(manifest.sae).filter(([name]) => !HIDDEN.includes(name)),
  ];
  return (
    <>
      <h1 tabIndex={-1}>{readable(sae.name)}</h1>
      <p class="about" dir="auto">
        {[words(manifest.sae.architecture), [words(model.id), words(model.hook)].join(" at ")]
          .join(" SAE of ")}
      </p>
      <dl class="numbers">
        <div>
          <dt>latents</dt>
          <dd>
            {latents}
            <small>with a dashboard</small>
          </dd>
        </div>
        <div>
          <dt>inactive</dt>
          <dd>
            {map.inactive}
            <small>{percent(latents > 0 ? map.inactive / latents : 0)}</small>
          </dd>
        </div>
        <div>
          <dt>samples</dt>
          <dd>
            {samples}
            <small>{rows} rows of {contextLength}</small>
          </dd>
        </div>
        <div>
          <dt>largest activation</dt>
          <dd>{short(map.max)}</dd>
        </div>
      </dl>
      <p>
        <a href={address(sae.name, "latents")}>all latents</a>
        {sae.own && (
          <>
            {" · "}
            <a href={address(sae.name, "text")}>own text</a>
          </>
        )}
        {manifest.metaLatents > 0 && (
          <>
            {" · "}
            <a href={address(sae.name, "meta", 0)}>{manifest.metaLatents} meta-latents</a>
          </>
        )}
      </p>
      <Map map={map} sae={sae.name} />
      <Histogram
        counts={byDensity}
        low={map.density[0]}
        high={map.density[1]}
        name="Densities, logarithm to base 10"
      />
      <Related sae={sae} site={site} />
      <Results sae={sae} />
      <section class="card">
        <h2>About</h2>
        <dl class="facts">
          {facts.filter(([, value]) => words(value) !== "").map(([name, value]) => (
            <div key={name}>
              <dt>{readable(name)}</dt>
              <dd dir="auto">{words(value)}</dd>
            </div>
          ))}
        </dl>
      </section>
      {saes.length > 1 && (
        <section class="card">
          <h2>SAEs of this site</h2>
          <ul>
            {saes.map((one) => (
              <li key={one.name}>
                <a href={address(one.name)}>{readable(one.name)}</a> {one.manifest.latents} latents
              </li>
            ))}
          </ul>
        </section>
      )}
    </>
  );
}
