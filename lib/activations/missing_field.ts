/** The error for a record that lacks a field. */
export function missingField(
  where: string,
  what: "field" | "column",
  name: string,
  found: readonly string[],
): Error {
  const names = found.slice(0, 20).join(", ") || "none";
  return new Error(`${where} has no ${what} "${name}", found ${names}`);
}
