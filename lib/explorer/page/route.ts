/// <reference lib="dom" />

/** A place in the site: what the address names after its "#". */
export interface Route {
  /** Name of the SAE; "" for the site's first page. */
  sae: string;
  /** Which page: "", "latents", "latent", "meta", "text", "train", "pair", "sweep". */
  page: string;
  /** Number of what is shown, where the page is of one. */
  number?: number;
  /** What follows "?". */
  query: URLSearchParams;
}

/** Reads an address. What is no address of the site is its first page. */
export function parseRoute(hash: string): Route {
  const [path, query = ""] = hash.replace(/^#?\/?/, "").split("?", 2);
  const [sae = "", page = "", number] = path.split("/").map(decode);
  const isNumber = number !== undefined && /^\d{1,9}$/.test(number);
  return {
    ...{ sae, page, query: new URLSearchParams(query) },
    ...(isNumber ? { number: Number(number) } : {}),
  };
}

/** The address of a place. */
export function address(
  sae: string,
  page = "",
  number?: number,
  query: Record<string, string | number | undefined> = {},
): string {
  const parts = [sae, ...page === "" ? [] : [page], ...number === undefined ? [] : [number]];
  const set = Object.entries(query).filter(([, value]) => value !== undefined && value !== "")
    .map(([name, value]) => [name, String(value)]);
  const rest = set.length > 0 ? `?${new URLSearchParams(set)}` : "";
  return `#/${parts.map((part) => encodeURIComponent(part)).join("/")}${rest}`;
}

/** The address of a pair: the large SAE's, with the name of the small one. */
export function pairAddress(
  { small, large }: { small: { name: string }; large: { name: string } },
  query: Record<string, string | number | undefined> = {},
): string {
  return address(large.name, "pair", undefined, { small: small.name, ...query });
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
