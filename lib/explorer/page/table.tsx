/** @jsxImportSource preact */
/// <reference lib="dom" />
import type { VNode } from "preact";
import { useMemo } from "preact/hooks";
import { readable } from "../readable.ts";
import type { SearchIndex } from "../search_index.ts";
import type { SaeData } from "./data.ts";
import { percent, short, useLoaded } from "./hooks.ts";
import { Failed, Waiting } from "./parts.tsx";
import { address } from "./route.ts";
import { searchLatents } from "./search.ts";
import { Token } from "./tokens.tsx";

type Columns = Record<string, Float32Array | Uint32Array>;

const PAGE = 50;

const SORTS = [
  ["latent", "latent"],
  ["density", "density"],
  ["max", "largest"],
  ["mean", "mean"],
  ["cosine", "nearest (cosine)"],
] as const;

/** Filters: their names in addresses, from and to. */
const FILTERS = [
  ["density", "density", "dmin", "dmax"],
  ["largest activation", "max", "amin", "amax"],
  ["nearest cosine", "cosine", "cmin", "cmax"],
] as const;

/** Places of the latents that pass the filters, in order. */
export function chooseRows(
  columns: Columns,
  query: URLSearchParams,
  scores?: Float32Array,
): Uint32Array {
  const bounds = FILTERS.flatMap(([, column, from, to]) =>
    [[from, 1], [to, -1]].flatMap(([name, sign]) => {
      const text = query.get(name as string)?.trim() ?? "";
      const bound = text === "" ? NaN : Number(text);
      return Number.isFinite(bound)
        ? [{ values: columns[column], bound, sign: sign as number }]
        : [];
    })
  );
  const count = columns.latent.length;
  const found: number[] = [];
  for (let place = 0; place < count; place++) {
    if (scores && !(scores[place] > 0)) continue;
    if (bounds.every(({ values, bound, sign }) => sign * values[place] >= sign * bound)) {
      found.push(place);
    }
  }
  const sort = query.get("sort") ?? (scores ? "score" : "latent");
  const by = sort === "score" ? scores : columns[sort];
  if (!by) return Uint32Array.from(found);
  const sign = query.get("order") === "down" || sort === "score" ? -1 : 1;
  const { max } = columns;
  // Of equally good hits the one with the larger activation comes first.
  return Uint32Array.from(found).sort((a, b) =>
    sign * (by[a] - by[b]) || (sort === "score" ? max[b] - max[a] : a - b)
  );
}

/** The table of latents: sorted, filtered, searched; a page of 50 at a time. */
export function TablePage({ sae, query }: { sae: SaeData; query: URLSearchParams }): VNode {
  const columns = useLoaded(() => sae.columns(), [sae.name]);
  const index = useLoaded(() => sae.search(), [sae.name]);
  const error = columns.error ?? index.error;
  if (error) return <Failed title="Latents" error={error} />;
  if (!columns.value) return <Waiting title="Latents" />;
  return <Table {...{ sae, query }} columns={columns.value} index={index.value} />;
}

function Table(
  { sae, query, columns, index }: {
    sae: SaeData;
    query: URLSearchParams;
    columns: Columns;
    index?: SearchIndex;
  },
): VNode {
  const typed = query.get("q")?.trim() ?? "";
  const scores = useMemo(
    () => typed !== "" && index ? searchLatents(index, typed) : undefined,
    [typed, index],
  );
  const text = query.toString();
  const rows = useMemo(() => chooseRows(columns, query, scores), [columns, text, scores]);
  const pages = Math.max(1, Math.ceil(rows.length / PAGE));
  const page = Math.min(pages, Math.max(1, Math.floor(Number(query.get("page") ?? 1)) || 1));
  const shown = rows.subarray((page - 1) * PAGE, page * PAGE);
  const all = Object.fromEntries(query);
  const link = (change: Record<string, string | number | undefined>) =>
    address(sae.name, "latents", undefined, { ...all, page: undefined, ...change });
  const [sort, order] = [query.get("sort"), query.get("order")];
  const filter = (name: string, words: string) => (
    <input
      inputMode="decimal"
      aria-label={words}
      value={query.get(name) ?? ""}
      onChange={(event) =>
        location.replace(link({ [name]: (event.target as HTMLInputElement).value.trim() }))}
    />
  );
  const heading = ([name, words]: readonly [string, string]) => {
    const isDown = sort === name && order === "down";
    // Numbers are read from the largest on; a second click turns the order.
    const down = sort === name ? !isDown : name !== "latent";
    return (
      <th
        key={name}
        scope="col"
        aria-sort={sort === name ? isDown ? "descending" : "ascending" : undefined}
      >
        <a href={link({ sort: name, order: down ? "down" : undefined })}>
          {words}
          {sort === name ? isDown ? " ↓" : " ↑" : ""}
        </a>
      </th>
    );
  };
  return (
    <>
      <h1 tabIndex={-1}>Latents</h1>
      <form class="filters" onSubmit={(event) => event.preventDefault()}>
        {FILTERS.map(([words, , from, to]) => (
          <span key={words}>
            {words} {filter(from, `${words} from`)} to {filter(to, `${words} to`)}
          </span>
        ))}
        <a href={address(sae.name, "latents")}>clear</a>
      </form>
      <p class="soft" role="status">
        {rows.length} of {columns.latent.length} latents
        {typed === "" ? "" : index ? ` for “${readable(typed)}”` : ", reading the index …"}
      </p>
      <div class="wide">
        <table>
          <thead>
            <tr>
              {heading(SORTS[0])}
              <th scope="col">label, tokens</th>
              {SORTS.slice(1).map(heading)}
            </tr>
          </thead>
          <tbody>
            {Array.from(shown, (place) => (
              <tr key={place}>
                <th scope="row">
                  <a href={address(sae.name, "latent", columns.latent[place])}>
                    {columns.latent[place]}
                  </a>
                </th>
                <td class="words">
                  {index && (
                    <>
                      <span dir="auto">{readable(index.labels[place])}</span>{" "}
                      {index.peaks[place].slice(0, 3).map((token) => (
                        <Token key={token} text={index.tokens[token] ?? ""} />
                      ))}
                    </>
                  )}
                </td>
                <td>{percent(columns.density[place])}</td>
                <td>{short(columns.max[place])}</td>
                <td>{short(columns.mean[place])}</td>
                <td>{short(columns.cosine[place])}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {pages > 1 && (
        <nav class="pages" aria-label="pages of the table">
          {page > 1
            ? <a href={link({ page: page - 1 })} rel="prev">previous</a>
            : <span>previous</span>}
          <span>page {page} of {pages}</span>
          {page < pages
            ? <a href={link({ page: page + 1 })} rel="next">next</a>
            : <span>next</span>}
        </nav>
      )}
    </>
  );
}
