import { RELEASE_FAMILIES } from "../../lib/formats/release_families.ts";
import { parseRelease } from "../../lib/formats/sae_releases.ts";
import type { Peers, Row } from "./peer.ts";

export const title = "Releases and SAEs of SAELens's registry that are read, by family";

interface Release {
  repository: string;
  loader: string;
  saes: Record<string, string>;
  count: number;
}

/** Counts the readable SAEs and the names that resolve differently than in SAELens. Downloads nothing. */
export async function* check(peers: Peers): AsyncGenerator<Row> {
  const registry = await peers.python("registry.py") as Record<string, Release>;
  const all = { releases: 0, saes: 0, read: 0, readSaes: 0, wrong: [] as string[] };
  const families = new Map<string, { releases: number; saes: number; loaders: Set<string> }>();
  for (const [name, { repository, loader, saes, count }] of Object.entries(registry)) {
    const family = RELEASE_FAMILIES.find(({ releases }) => releases.has(name));
    const label = family?.name ?? "unknown";
    const sum = families.get(label) ?? { releases: 0, saes: 0, loaders: new Set() };
    families.set(label, sum);
    sum.releases++;
    sum.saes += count;
    sum.loaders.add(loader);
    all.releases++;
    all.saes += count;
    if (!family || family.refused !== undefined) continue;
    all.read++;
    all.readSaes += count;
    for (const [id, path] of Object.entries(saes)) {
      const found = parseRelease(`${name}/${id}`);
      if (found?.repository !== repository || found.path !== path) {
        all.wrong.push(`${name}/${id} → ${found?.repository}/${found?.path}, expected ${path}`);
      }
    }
  }
  for (const [label, { releases, saes, loaders }] of families) {
    const refused = RELEASE_FAMILIES.find(({ name }) => name === label)?.refused;
    yield {
      check: label,
      measured: `${releases} releases, ${saes} SAEs${refused ? " (refused)" : ""}`,
      note: [...loaders].join(", "),
    };
  }
  yield {
    check: "read in all",
    measured: `${all.read} of ${all.releases} releases, ${all.readSaes} of ${all.saes} SAEs`,
  };
  yield {
    check: "names that lead elsewhere than in SAELens",
    difference: all.wrong.length,
    limit: 0,
    ...(all.wrong.length > 0 ? { note: all.wrong.slice(0, 5).join("; ") } : {}),
  };
}
