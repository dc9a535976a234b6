/** @jsxImportSource preact */
/// <reference lib="dom" />
import type { VNode } from "preact";
import { readable } from "../readable.ts";
import type { SitePairData } from "./data.ts";
import { percent, short, useKept, useLoaded } from "./hooks.ts";
import { nameOf } from "./names.ts";
import type { PairReader } from "./pair_reader.ts";
import { Pages } from "./parts.tsx";
import { address, pairAddress } from "./route.ts";

const PAGE = 20;

/** Novel latents, and how much larger the error of both SAEs is where they are active (A.4). */
export function Missing(
  { pair, reader, page }: { pair: SitePairData; reader: PairReader; page: number },
): VNode | null {
  const { missing, source, novel } = reader.data;
  const pages = Math.ceil(missing / PAGE);
  const at = Math.min(pages, Math.max(1, Math.floor(page) || 1));
  const count = Math.min(PAGE, missing - (at - 1) * PAGE);
  const { value, error } = useKept(async () => {
    const rows = missing > 0 ? await reader.missing((at - 1) * PAGE, count) : [];
    return await Promise.all(rows.map(async (row) => ({
      ...row,
      place: await pair.large.placeOf(row.latent),
    })));
  }, [pair.path, at]);
  const index = useLoaded(() => pair.large.search(), [pair.large.name]).value;
  if (missing === 0) return null;
  return (
    <section id="novel">
      <h2>
        Novel latents, and what {readable(pair.small.name)} misses{" "}
        <small>
          {missing} that are active in some samples, of {novel}
        </small>
      </h2>
      <p class="soft">
        How much larger the MSE is where the latent is active than where it is not: for the small
        SAE, which lacks it, and for the large one, which has it. Those with the largest difference
        come first, those with fewer than 10 active samples last.
      </p>
      {error && <p class="failed" role="alert">{error}</p>}
      <div class="wide" tabIndex={0} role="region" aria-label="novel latents">
        <table>
          <thead>
            <tr>
              <th scope="col">latent</th>
              <th scope="col">label</th>
              <th scope="col">error of {readable(pair.small.name)}</th>
              <th scope="col">of {readable(pair.large.name)}</th>
              <th scope="col">active samples</th>
            </tr>
          </thead>
          <tbody>
            {(value ?? []).map((row) => (
              <tr key={row.latent}>
                <th scope="row">
                  <a href={address(pair.large.name, "latent", row.latent)}>{row.latent}</a>
                </th>
                <td class="words" dir="auto">{nameOf(index, row.place)}</td>
                <td>{growth(row.smallActive / row.smallInactive)}</td>
                <td>{growth(row.largeActive / row.largeInactive)}</td>
                <td>
                  {row.activeSamples} ({percent(row.activeSamples / source.samples)})
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <Pages
        page={at}
        pages={pages}
        name="pages of novel latents"
        href={(novel) => pairAddress(pair, { novel })}
      />
    </section>
  );
}

const growth = (ratio: number): string =>
  Number.isFinite(ratio) ? `${ratio >= 1 ? "+" : "−"}${short(Math.abs(100 * (ratio - 1)))} %` : "–";
