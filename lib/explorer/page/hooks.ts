/// <reference lib="dom" />
import { useEffect, useState } from "preact/hooks";

/** What is read for a page: there, failed, or neither yet. */
export interface Loaded<T> {
  /** It. */
  value?: T;
  /** Why it is not there. */
  error?: string;
}

/** Reads something whenever `keys` change. What arrives too late for its keys is dropped. */
export function useLoaded<T>(load: () => Promise<T>, keys: unknown[]): Loaded<T> {
  const [found, setFound] = useState<Loaded<T> & { keys?: string }>({});
  const own = JSON.stringify(keys);
  useEffect(() => {
    let current = true;
    load().then(
      (value) => current && setFound({ value, keys: own }),
      (error) => current && setFound({ error: String(error?.message ?? error), keys: own }),
    );
    return () => {
      current = false;
    };
  }, [own]);
  return found.keys === own ? found : {};
}

/** A number as people read it: three digits. */
export function short(value: number): string {
  if (!Number.isFinite(value)) return "–";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e5 || size < 1e-4) return value.toExponential(2);
  return String(Number(value.toPrecision(3)));
}

/** A share in percent. */
export function percent(share: number): string {
  return `${short(100 * share)} %`;
}
