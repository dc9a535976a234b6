import { createHash } from "node:crypto";

/** A request that the fake hub received. */
export interface FileRequest {
  /** "hub" or "content", the host that it redirects large files to. */
  host: "hub" | "content";
  method: string;
  path: string;
  range: string | null;
  ifRange: string | null;
  token: string | null;
}

/** How the fake hub misbehaves. A function that gives a response answers in place of the hub. */
export interface FakeHubOptions {
  /** Files of `someone/thing`, by path. May be changed while the hub runs. */
  files: Record<string, Uint8Array<ArrayBuffer>>;
  /** Files from this size on are large: redirected, with their SHA-256 announced. Default: none. */
  largeFrom?: number;
  answer?(asked: FileRequest, number: number): Response | undefined;
  /** Leaves out the commit headers, like other servers. */
  commitless?: boolean;
  /** Changes the headers of the hub's responses. */
  headers?(headers: Headers, asked: FileRequest): void;
}

export interface FakeHub extends AsyncDisposable {
  endpoint: string;
  asked: FileRequest[];
}

export const sha256 = (bytes: Uint8Array<ArrayBuffer>) =>
  createHash("sha256").update(bytes).digest("hex");

/** Git's hash of a file, which is the hub's etag of small ones. */
export const gitHash = (bytes: Uint8Array<ArrayBuffer>) =>
  createHash("sha1").update(`blob ${bytes.length}\0`).update(bytes).digest("hex");

/** The commit of the files: a hash of all their contents. */
export function commitOf(files: FakeHubOptions["files"]): string {
  const hash = createHash("sha1");
  for (const path of Object.keys(files).sort()) hash.update(`${path} ${gitHash(files[path])}\n`);
  return hash.digest("hex");
}

/** A body that breaks off after `sent` bytes, with the connection. */
export function broken(bytes: Uint8Array<ArrayBuffer>, sent: number): ReadableStream<Uint8Array> {
  let given = false;
  return new ReadableStream({
    async pull(controller) {
      // The bytes must be on their way before the connection breaks.
      if (given) await new Promise((resolve) => setTimeout(resolve, 100));
      if (given) controller.error(new Error("broken"));
      else controller.enqueue(bytes.slice(0, sent));
      given = true;
    },
  });
}

/** Answers as a file server does: ranges, If-Range, 416. */
export function serveBytes(
  bytes: Uint8Array<ArrayBuffer>,
  { range, ifRange }: FileRequest,
  etag: string,
): Response {
  const from = /^bytes=(\d+)-$/.exec(range ?? "");
  if (!from || (ifRange && ifRange !== etag)) {
    return new Response(bytes, { headers: { etag, "content-length": `${bytes.length}` } });
  }
  const start = Number(from[1]);
  if (start >= bytes.length) {
    return new Response(null, {
      status: 416,
      headers: { "content-range": `bytes */${bytes.length}` },
    });
  }
  return new Response(bytes.slice(start), {
    status: 206,
    headers: { etag, "content-range": `bytes ${start}-${bytes.length - 1}/${bytes.length}` },
  });
}

/** A server that behaves like the hub, with a second one for the contents of large files. */
export function startFakeHub(options: FakeHubOptions): FakeHub {
  const asked: FileRequest[] = [];
  const note = (request: Request, host: FileRequest["host"]): FileRequest => {
    const { pathname, search } = new URL(request.url);
    const { method, headers } = request;
    const one = {
      host,
      method,
      path: decodeURIComponent(pathname) + search,
      range: headers.get("range"),
      ifRange: headers.get("if-range"),
      token: headers.get("authorization"),
    };
    asked.push(one);
    return one;
  };
  const quiet = { port: 0, hostname: "127.0.0.1", onListen() {}, onError: () => new Response() };
  const content = Deno.serve(quiet, (request) => {
    const one = note(request, "content");
    const made = options.answer?.(one, asked.length);
    if (made) return made;
    // A signed address is valid only for GET.
    if (request.method === "HEAD") return new Response(null, { status: 403 });
    return serveBytes(options.files[one.path.slice(1)], one, '"of the content host"');
  });
  const hub = Deno.serve(quiet, (request) => {
    const one = note(request, "hub");
    const made = options.answer?.(one, asked.length);
    if (made) return made;
    const commit = commitOf(options.files);
    const told = options.commitless ? undefined : { "x-repo-commit": commit };
    const refuse = (status: number, code: string, headers?: HeadersInit) =>
      new Response("no", { status, headers: { ...headers, "x-error-code": code } });
    const match = /^\/([\w/-]+?)\/resolve\/(refs\/pr\/1|[^/]+)\/(.*)$/.exec(one.path);
    if (match?.[1] !== "someone/thing") return refuse(401, "RepoNotFound");
    if (!["main", "v1", "refs/pr/1", commit].includes(match[2])) {
      return refuse(404, "RevisionNotFound");
    }
    const bytes = options.files[match[3]];
    if (!bytes) return refuse(404, "EntryNotFound", told);
    let response: Response;
    if (bytes.length >= (options.largeFrom ?? Infinity)) {
      const location = `http://127.0.0.1:${content.addr.port}/${match[3]}`;
      const headers = { location, "x-linked-etag": `"${sha256(bytes)}"` };
      response = new Response("Found", {
        status: 302,
        headers: { ...headers, "x-linked-size": `${bytes.length}`, etag: '"of the redirect"' },
      });
    } else response = serveBytes(bytes, one, `"${gitHash(bytes)}"`);
    if (told) response.headers.set("x-repo-commit", commit);
    options.headers?.(response.headers, one);
    return response;
  });
  return {
    endpoint: `http://127.0.0.1:${hub.addr.port}`,
    asked,
    async [Symbol.asyncDispose]() {
      await hub.shutdown();
      await content.shutdown();
    },
  };
}
