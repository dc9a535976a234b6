import { readFileRange } from "./read_folder.ts";

const TYPES: Record<string, string> = {
  html: "text/html; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  mjs: "text/javascript; charset=utf-8",
  css: "text/css; charset=utf-8",
  json: "application/json",
  svg: "image/svg+xml",
  wasm: "application/wasm",
};

/** Bytes of a file, or the path of the file that has them. */
export type Served = Uint8Array<ArrayBuffer> | string;

/**
 * Answers requests for a site's files by their names, with ranges; nothing else on the machine can be reached.
 *
 * @example
 * ```ts ignore
 * Deno.serve({ hostname: "127.0.0.1", port: 8000 }, siteHandler(files));
 * ```
 */
export function siteHandler(files: ReadonlyMap<string, Served>): (
  request: Request,
) => Promise<Response> {
  return async (request) => {
    if (request.method !== "GET" && request.method !== "HEAD") {
      return new Response(null, { status: 405, headers: { allow: "GET, HEAD" } });
    }
    const path = new URL(request.url).pathname;
    const name = path.endsWith("/") ? `${path.slice(1)}index.html` : path.slice(1);
    const found = files.get(name);
    if (found === undefined) return new Response("not found\n", { status: 404 });
    const size = typeof found === "string" ? (await Deno.stat(found)).size : found.length;
    const headers = new Headers({
      "content-type": TYPES[name.split(".").at(-1)!] ?? "application/octet-stream",
      "accept-ranges": "bytes",
      "x-content-type-options": "nosniff",
      "cache-control": "no-cache",
    });
    const range = parseRange(request.headers.get("range"), size);
    if (range === "outside") {
      headers.set("content-range", `bytes */${size}`);
      return new Response(null, { status: 416, headers });
    }
    const { from, to } = range ?? { from: 0, to: size };
    headers.set("content-length", String(to - from));
    if (range) headers.set("content-range", `bytes ${from}-${to - 1}/${size}`);
    const body = request.method === "HEAD" ? null : await bytesOf(found, from, to);
    return new Response(body, { status: range ? 206 : 200, headers });
  };
}

/** The range that a request asks for; undefined: all. Several ranges are answered by all, as may be. */
export function parseRange(
  header: string | null,
  size: number,
): { from: number; to: number } | "outside" | undefined {
  const [, first, last] = /^bytes=(\d*)-(\d*)$/.exec(header ?? "") ?? [];
  if (first === undefined || (first === "" && last === "")) return undefined;
  const from = first === "" ? Math.max(0, size - Number(last)) : Number(first);
  const to = first === "" || last === "" ? size : Math.min(size, Number(last) + 1);
  return from < to ? { from, to } : "outside";
}

async function bytesOf(from: Served, start: number, end: number): Promise<Uint8Array<ArrayBuffer>> {
  return typeof from === "string"
    ? await readFileRange(from, start, end)
    : from.subarray(start, end);
}
