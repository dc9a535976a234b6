/** A JSON object. */
export type Json = Record<string, unknown>;

/** Whether a value is a JSON object. */
export function isRecord(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** An entry, where there is a value. */
export function named(key: string, value: unknown): Json {
  return value === undefined || value === null ? {} : { [key]: value };
}

/** A value of a config, for errors: they come from files, and long ones are cut. */
export function showValue(value: unknown): string {
  return (JSON.stringify(value) ?? "missing").slice(0, 60);
}

/** @throws {Error} A value of a config is no number above 0. */
export function positive(value: unknown, name: string, path: string): number {
  if (typeof value === "number" && Number.isFinite(value) && value > 0) return value;
  throw new Error(`${name} is ${showValue(value)}, expected a number above 0, in ${path}`);
}
