/** @jsxImportSource preact */
/// <reference lib="dom" />
// The explorer's page. What comes from texts, models and labels goes into the document as text nodes and
// attributes only, never as markup; the page's policy would run no script in it either.
import { render, type VNode } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { readable } from "../readable.ts";
import { readSite, type SaeData, type Site } from "./data.ts";
import { GroupPage } from "./group.tsx";
import { LatentPage } from "./latent.tsx";
import { MetaPage } from "./meta.tsx";
import { Overview } from "./overview.tsx";
import { TextPage } from "./own_text.tsx";
import { PairPage } from "./pair.tsx";
import { Failed } from "./parts.tsx";
import { address, parseRoute, type Route } from "./route.ts";
import { SweepPage } from "./sweep.tsx";
import { TablePage } from "./table.tsx";
import { TrainPage } from "./train.tsx";

function useRoute(): Route {
  const [hash, setHash] = useState(location.hash);
  useEffect(() => {
    const listen = () => setHash(location.hash);
    addEventListener("hashchange", listen);
    return () => removeEventListener("hashchange", listen);
  }, []);
  return parseRoute(hash);
}

function App({ site }: { site: Site }): VNode {
  const { saes, pairs, sweeps, models } = site;
  const route = useRoute();
  const { page, number, query } = route;
  const sae = saes.find(({ name }) => name === route.sae) ??
    (route.sae === "" ? saes[0] : undefined);
  const pair = page === "pair"
    ? pairs.find(({ small, large }) => large === sae && small.name === query.get("small"))
    : undefined;
  const named = Number(query.get("group") ?? NaN);
  const group = Number.isInteger(named) && named >= 0 ? named : undefined;
  const sweep = page === "sweep" && number !== undefined ? sweeps[number] : undefined;
  const search = useRef<HTMLInputElement>(null);
  const shown = `${sae?.name} ${page} ${number ?? ""} ${pair?.path ?? ""} ${group ?? ""}`;
  const before = useRef(shown);
  // In the same turn as the page: a focus that comes later would be taken from where Tab has gone.
  useLayoutEffect(() => {
    const what = page === "" ? "" : `${page} ${number ?? ""} · `;
    document.title = `${what}${sae?.name ?? ""} · saewing explorer`;
    if (before.current === shown) return;
    before.current = shown;
    scrollTo(0, 0);
    // A screen reader begins with the new page; who types in the search box goes on.
    if (document.activeElement !== search.current) {
      document.querySelector("h1")?.focus({ preventScroll: true });
    }
  }, [shown]);
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      const target = event.target as HTMLElement;
      if (/^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName)) return;
      if (event.ctrlKey || event.metaKey || event.altKey || !sae) return;
      const step = { j: 1, k: -1 }[event.key];
      // The address itself: keys come faster than the page is drawn.
      const now = parseRoute(location.hash);
      if (event.key === "/") {
        search.current?.focus();
        event.preventDefault();
      } else if (event.key === "r") void random(sae);
      else if (step && now.page !== "sweep" && now.number !== undefined && now.number + step >= 0) {
        location.hash = address(now.sae, now.page, now.number + step);
      }
    };
    addEventListener("keydown", press);
    return () => removeEventListener("keydown", press);
  }, [shown]);
  if (!sae && saes.length === 0 && models.length > 0) {
    return (
      <main>
        <TrainPage
          model={models[0]}
          query={query}
          link={(all) => address("train", "", undefined, all)}
        />
      </main>
    );
  }
  if (!sae) {
    return (
      <main>
        <Failed title="Not here" error={`this site has no SAE ${readable(route.sae)}`} />
      </main>
    );
  }
  const type = (event: Event) => {
    const typed = (event.target as HTMLInputElement).value;
    // The address itself: letters come faster than the page is drawn.
    const now = parseRoute(location.hash);
    const isSearch = now.page === "latents";
    const to = address(sae.name, "latents", undefined, {
      ...(isSearch ? Object.fromEntries(now.query) : {}),
      ...{ q: typed, page: undefined },
    });
    // Letters of one search are one step back.
    if (isSearch) location.replace(to);
    else location.hash = to;
  };
  const link = (name: string, words: string) => (
    <a href={address(sae.name, name)} aria-current={page === name ? "page" : undefined}>{words}</a>
  );
  return (
    <>
      <header>
        <nav aria-label="site">
          {saes.length > 1
            ? (
              <select
                aria-label="SAE"
                value={sae.name}
                onChange={(event) =>
                  location.hash = address((event.target as HTMLSelectElement).value)}
              >
                {saes.map(({ name }) => <option key={name} value={name}>{readable(name)}</option>)}
              </select>
            )
            : <strong>{readable(sae.name)}</strong>}
          {link("", "Overview")}
          {link("latents", "Latents")}
          {sae.own && link("text", "Own text")}
          {sae.own && link("train", "Training")}
          <button type="button" onClick={() => void random(sae)}>Random</button>
          <form
            role="search"
            onSubmit={(event) => {
              event.preventDefault();
              const typed = search.current?.value.trim() ?? "";
              if (/^\d+$/.test(typed)) location.hash = address(sae.name, "latent", Number(typed));
            }}
          >
            <input
              ref={search}
              type="search"
              placeholder="token, label or number"
              aria-label="Search latents by token, label or number"
              value={page === "latents" ? query.get("q") ?? "" : ""}
              onInput={type}
            />
          </form>
        </nav>
      </header>
      <main>
        {page === "" && <Overview sae={sae} site={site} />}
        {page === "latents" && <TablePage sae={sae} query={query} />}
        {page === "latent" && number !== undefined && (
          <LatentPage {...{ sae, site }} latent={number} />
        )}
        {page === "meta" && number !== undefined && <MetaPage sae={sae} meta={number} />}
        {page === "text" && sae.own && <TextPage key={sae.name} sae={sae} query={query} />}
        {page === "train" && sae.model && (
          <TrainPage
            model={sae.model}
            query={query}
            link={(all) => address(sae.name, "train", undefined, all)}
          />
        )}
        {page === "pair" && pair && group === undefined && <PairPage pair={pair} query={query} />}
        {page === "pair" && pair && group !== undefined && <GroupPage {...{ pair, group }} />}
        {page === "sweep" && sweep && <SweepPage {...{ site, sweep }} />}
        {(!["", "latents", "latent", "meta", "text", "train", "pair", "sweep"].includes(page) ||
          ["latent", "meta"].includes(page) && number === undefined ||
          ["text", "train"].includes(page) && !sae.own || page === "pair" && !pair ||
          page === "sweep" && !sweep) && (
          <Failed title="Not here" error="this site has no such page" />
        )}
      </main>
      <footer>
        Keys: <kbd>/</kbd> search, <kbd>j</kbd> and <kbd>k</kbd> next and previous, <kbd>r</kbd>
        {" "}
        random. Made by saewing.
      </footer>
    </>
  );
}

async function random(sae: SaeData): Promise<void> {
  const place = Math.floor(Math.random() * sae.manifest.latents);
  const all = sae.manifest.latents === sae.manifest.sae.dictSize;
  const latent = all ? place : (await sae.columns()).latent[place];
  location.hash = address(sae.name, "latent", latent);
}

const root = document.getElementById("page")!;
readSite().then(
  (site) => render(<App site={site} />, root),
  (error) =>
    render(
      <main>
        <Failed title="saewing explorer" error={String(error?.message ?? error)} />
      </main>,
      root,
    ),
);
