import type { Json } from "./config_values.ts";
import type { HubSae } from "./hub_sae.ts";
import { RELEASE_FAMILIES, type ReleaseFamily } from "./release_families.ts";

/** An SAE of a release of SAELens. */
export interface ReleasedSae extends HubSae {
  /** The family of the release. */
  family: ReleaseFamily;
  /** Hint for the error where it is not found. */
  hint: string;
}

/**
 * Reads the name of an SAELens release, with the id of an SAE behind a slash:
 * `gpt2-small-res-jb/blocks.8.hook_resid_pre`, `gemma-scope-2b-pt-res-canonical/layer_12/width_16k/canonical`. A path
 * that is not an id of the release is taken as a folder of its repository.
 *
 * @returns undefined where it is none that is known.
 * @throws {Error} It is a release of transcoders or others that are no SAEs of one hook.
 */
export function parseRelease(name: string): ReleasedSae | undefined {
  const [release, ...parts] = name.split("/");
  const family = RELEASE_FAMILIES.find(({ releases }) => releases.has(release));
  if (!family || parts.some((part) => !/^\w[\w.-]*$/.test(part))) return undefined;
  const { format, refused, example } = family;
  if (refused !== undefined) {
    throw new Error(`${release} is a release of ${family.name}, not supported: ${refused}`);
  }
  const repository = family.releases.get(release)!;
  const id = parts.join("/");
  const path = id === "" ? "" : family.path(id, release);
  return {
    repository,
    path: path ?? id,
    ...(format === undefined || path === undefined || path === "" ? {} : { format }),
    family,
    hint: `${release} is SAELens's name of ${repository}: give it with an SAE's id, such as ` +
      `${release}/${example}, or with a folder of that repository`,
  };
}

/** Keys that SAELens's registry replaces in the configs of a repository. */
export function correctionsOf(repository: string): Json | undefined {
  for (const { releases, config } of RELEASE_FAMILIES) {
    for (const [release, place] of releases) {
      if (place === repository) return config?.(release);
    }
  }
}

/** The known release that a name nearly matches, or starts like. */
export function nearRelease(name: string): string | undefined {
  const own = letters(name.split("/")[0]);
  const all = RELEASE_FAMILIES.flatMap(({ releases }) => [...releases.keys()]);
  return all.find((known) => letters(known) === own) ??
    (own.length > 4 ? all.find((known) => letters(known).startsWith(own)) : undefined) ??
    (own.length > 7 ? nearest(own, all) : undefined);
}

function letters(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9]/g, "");
}

/** The name that at most two letters more, fewer or other make of another. */
function nearest(own: string, all: string[]): string | undefined {
  const distances = all.map((known) => ({ known, distance: editDistance(own, letters(known)) }));
  const best = distances.reduce((a, b) => b.distance < a.distance ? b : a);
  return best.distance <= 2 ? best.known : undefined;
}

/** Letters to insert, delete or replace (Levenshtein). */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, row[j] + 1, next[j - 1] + 1));
    }
    row = next;
  }
  return row[b.length];
}
