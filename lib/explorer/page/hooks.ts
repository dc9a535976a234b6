/// <reference lib="dom" />
import { useEffect, useRef, useState } from "preact/hooks";

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

/** {@linkcode useLoaded}, but what was there before stays until the new is: pages of a list do not jump. */
export function useKept<T>(load: () => Promise<T>, keys: unknown[]): Loaded<T> {
  const { value, error } = useLoaded(load, keys);
  const before = useRef<T | undefined>(undefined);
  if (value !== undefined) before.current = value;
  return { value: value ?? before.current, error };
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

/** A change with its sign. */
export function signed(value: number): string {
  return `${value > 0 ? "+" : value < 0 ? "−" : ""}${short(Math.abs(value))}`;
}
