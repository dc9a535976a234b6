/** How the Hugging Face hub is reached. Unset fields come from the environment. */
export interface HubOptions {
  /** Address of the hub, default `HF_ENDPOINT`, else https://huggingface.co. */
  endpoint?: string;
  /** Access token, default `HF_TOKEN`. It goes to the endpoint's own host and to no other. */
  token?: string;
  /** Whether only the cache is used, default: whether `HF_HUB_OFFLINE` is 1, ON, YES or TRUE. */
  offline?: boolean;
  /** Stops a download; what has arrived is kept, and the next call goes on from it. */
  signal?: AbortSignal;
  /** Called where the hub does not answer or refuses, and the file that the cache has is used. */
  onCached?: (notice: CachedInstead) => void;
  /** When to give up. */
  patience?: Partial<Patience>;
}

/** A file of the cache was used without knowing whether it is the newest. */
export interface CachedInstead {
  /** The repository. */
  repo: string;
  /** The file's path in it. */
  file: string;
  /** What went wrong with the hub. */
  reason: string;
}

/** How long a failing hub is put up with. */
export interface Patience {
  /** Attempts in a row that bring no byte, default 5. */
  attempts: number;
  /** Milliseconds before the second attempt, default 500; they double from attempt to attempt. */
  delay: number;
  /** Longest wait in milliseconds that a server may ask for (`Retry-After`), default 120,000. */
  longestDelay: number;
  /** Milliseconds until a server begins to answer, default 15,000. */
  answer: number;
  /** Milliseconds without a byte after which a transfer counts as broken, default 60,000. */
  stall: number;
  /** Milliseconds that a list of files may take in all, default 600,000. */
  listing: number;
  /** Most bytes of a file whose size no one announced, default 512 MiB. */
  unannounced: number;
}

/** {@link HubOptions} with the environment's values filled in. */
export interface Hub {
  /** Address without a closing slash. */
  endpoint: string;
  /** The access token, if there is one. */
  token?: string;
  /** Whether only the cache is used. */
  offline: boolean;
  /** Stops what is going on. */
  signal?: AbortSignal;
  /** When to give up. */
  patience: Patience;
}

/** Fills in the environment's values. Throws Error when the endpoint is no http or https address. */
export function hubSettings(options: HubOptions = {}): Hub {
  const { env } = Deno;
  const endpoint = options.endpoint ?? (env.get("HF_ENDPOINT") || "https://huggingface.co");
  if (!/^https?:/.test(URL.parse(endpoint)?.protocol ?? "")) {
    throw new Error(`the hub's address (HF_ENDPOINT) is ${endpoint}, expected https://…`);
  }
  return {
    endpoint: endpoint.replace(/\/+$/, ""),
    token: (options.token ?? env.get("HF_TOKEN") ?? "").trim() || undefined,
    offline: options.offline ?? /^(1|on|yes|true)$/i.test(env.get("HF_HUB_OFFLINE") ?? ""),
    signal: options.signal,
    patience: {
      attempts: 5,
      delay: 500,
      longestDelay: 120_000,
      answer: 15_000,
      stall: 60_000,
      listing: 600_000,
      unannounced: 512 * 2 ** 20,
      ...options.patience,
    },
  };
}

/** A failure that may pass: the next attempt may succeed. */
export class PassingFailure extends Error {
  /** @param after Milliseconds that the server asks to wait. */
  constructor(message: string, readonly after?: number) {
    super(message);
  }
}

/** An answer, after the redirects. */
export interface HubAnswer {
  /** The last response. Of HEAD requests: the hub's own, which may be a redirect elsewhere. */
  response: Response;
  /** Whether the hub itself gave the last response, not a host that it redirected to. */
  fromHub: boolean;
  /** A header of the hub's own responses; other hosts are not believed. */
  hubHeader(name: string): string | undefined;
}

/** Ends a request that no one answers. */
export interface RequestTimer {
  /** Aborted when the time is over, or when the caller says so. */
  signal: AbortSignal;
  /** Counts from now, up to a number of milliseconds, default `patience.stall`. */
  restart(milliseconds?: number): void;
}

const mostRedirects = 10;

/**
 * Sends a request to the hub and follows its redirects by hand: the token is left out on other
 * hosts, and from https no redirect leads to http.
 *
 * @throws PassingFailure when there is no connection, no answer in time, or the server is busy.
 */
export async function hubRequest(
  hub: Hub,
  url: string,
  { method = "GET", headers = {} }: { method?: "GET" | "HEAD"; headers?: Record<string, string> },
  timer: RequestTimer,
): Promise<HubAnswer> {
  const origin = new URL(hub.endpoint).origin;
  const told = new Map<string, string>();
  let at = new URL(url);
  for (let redirects = 0; redirects <= mostRedirects; redirects++) {
    const fromHub = at.origin === origin;
    const sent = new Headers(headers);
    // Lengths and ranges are those of the file only where nothing is compressed on the way.
    sent.set("accept-encoding", "identity");
    if (fromHub && hub.token) sent.set("authorization", `Bearer ${hub.token}`);
    timer.restart(hub.patience.answer);
    const { signal } = timer;
    const response = await send(at, { method, headers: sent, redirect: "manual", signal });
    timer.restart();
    if (fromHub) { for (const [name, value] of response.headers) told.set(name, value); }
    const answer = { response, fromHub, hubHeader: (name: string) => told.get(name) };
    const location = response.headers.get("location");
    if (![301, 302, 303, 307, 308].includes(response.status) || !location) {
      await refuseBusy(response, hub);
      return answer;
    }
    await response.body?.cancel();
    const next = URL.parse(location, at);
    const safe = next?.protocol === "https:" ||
      (next?.protocol === "http:" && at.protocol === "http:");
    if (!next || !safe) throw new Error(`${at.host} redirects to ${location}: not followed`);
    // Signed addresses of content hosts are valid for GET only.
    if (method === "HEAD" && next.origin !== origin) return answer;
    at = next;
  }
  throw new Error(`${hub.endpoint} redirects more than ${mostRedirects} times`);
}

async function send(at: URL, init: RequestInit): Promise<Response> {
  try {
    return await fetch(at, init);
  } catch (error) {
    init.signal?.throwIfAborted();
    throw new PassingFailure(`no connection to ${at.host}: ${(error as Error).message}`);
  }
}

async function refuseBusy(response: Response, { patience }: Hub): Promise<void> {
  const { status, url } = response;
  if (status !== 408 && status !== 429 && status < 500) return;
  await response.body?.cancel();
  const given = response.headers.get("retry-after");
  let after: number | undefined;
  if (given !== null) {
    const milliseconds = /^\d+$/.test(given.trim())
      ? 1000 * Number(given)
      : Date.parse(given) - Date.now();
    if (Number.isFinite(milliseconds)) after = Math.max(0, milliseconds);
  }
  const message = `${new URL(url).host} answers ${status}`;
  if (after !== undefined && after > patience.longestDelay) {
    throw new Error(`${message} and asks to wait ${Math.ceil(after / 1000)} s: try again then`);
  }
  throw new PassingFailure(message, after);
}

// A server that gives little at a time would else be asked for ever.
const mostAttempts = 100;

/**
 * Calls `attempt` until it succeeds: after a {@link PassingFailure} again, after a pause that doubles
 * or that the server asks for. Other errors pass through.
 *
 * @param progress A number that passes its highest value so far when an attempt that failed was not in
 * vain. (A server that answers wrongly in every second attempt makes it rise and fall for ever.)
 * @throws Error beginning with `what` after too many failures in a row.
 */
export async function withRetries<T>(
  { patience, signal }: Hub,
  what: string,
  attempt: () => Promise<T>,
  progress: () => number = () => 0,
): Promise<T> {
  let failures = 0;
  let most = progress();
  for (let attempts = 1;; attempts++) {
    try {
      signal?.throwIfAborted();
      return await attempt();
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof PassingFailure)) throw error;
      failures = progress() > most ? 1 : failures + 1;
      most = Math.max(most, progress());
      if (failures >= patience.attempts || attempts >= mostAttempts) {
        throw new Error(`${what}: ${error.message} (${attempts} attempts)`, { cause: error });
      }
      const pause = error.after ?? patience.delay * 2 ** (failures - 1);
      await sleep(Math.min(pause, patience.longestDelay), signal);
    }
  }
}

/** Waits. Rejects with the signal's reason when it is aborted meanwhile. */
export function sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal!.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, milliseconds);
    if (signal?.aborted) stop();
    else signal?.addEventListener("abort", stop, { once: true });
  });
}
