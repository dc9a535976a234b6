/** How to reach the Hugging Face hub. Unset fields come from the environment. */
export interface HubOptions {
  /** Address of the hub, default `HF_ENDPOINT`, else https://huggingface.co. */
  endpoint?: string;
  /** Access token, default `HF_TOKEN`. It is sent to the endpoint's host only. */
  token?: string;
  /** Whether to use the cache only, default whether `HF_HUB_OFFLINE` is 1, ON, YES or TRUE. */
  offline?: boolean;
  /** Aborts a download; what has arrived is kept, and the next call resumes it. */
  signal?: AbortSignal;
  /** Called where the hub does not respond or refuses, and the cached file is used. */
  onCached?: (notice: CachedInstead) => void;
  /** Retries, timeouts and sizes. */
  limits?: Partial<HubLimits>;
}

/** A cached file was used without knowing whether it is current. */
export interface CachedInstead {
  /** The repository. */
  repo: string;
  /** The file's path in it. */
  file: string;
  /** Why the hub could not be used. */
  reason: string;
}

/** When requests to the hub are retried and given up. Times are in milliseconds. */
export interface HubLimits {
  /** Consecutive attempts without a new byte, default 5. */
  attempts: number;
  /** Delay before the second attempt, default 500; it doubles with each attempt. */
  delay: number;
  /** Longest delay, also of those that a server requests (`Retry-After`), default 120,000. */
  maxDelay: number;
  /** Time until a server begins to respond, default 15,000. */
  responseTimeout: number;
  /** Time without a byte after which a transfer counts as broken, default 60,000. */
  stallTimeout: number;
  /** Time for a whole list of files, default 600,000. */
  listingTimeout: number;
  /** Largest file in bytes whose size the server does not send, default 512 MiB. */
  maxUnknownSize: number;
}

/** {@link HubOptions} with the environment's values filled in. */
export interface Hub {
  /** Address without a closing slash. */
  endpoint: string;
  /** The access token, if there is one. */
  token?: string;
  /** Whether to use the cache only. */
  offline: boolean;
  /** Aborts requests. */
  signal?: AbortSignal;
  /** Retries, timeouts and sizes. */
  limits: HubLimits;
}

/**
 * Fills in the environment's values.
 *
 * @throws {Error} The endpoint is not an http or https address.
 */
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
    limits: {
      attempts: 5,
      delay: 500,
      maxDelay: 120_000,
      responseTimeout: 15_000,
      stallTimeout: 60_000,
      listingTimeout: 600_000,
      maxUnknownSize: 512 * 2 ** 20,
      ...options.limits,
    },
  };
}

/** A failure after which the next attempt may succeed. */
export class TransientError extends Error {
  /** @param after Delay that the server requests, in milliseconds. */
  constructor(message: string, readonly after?: number) {
    super(message);
  }
}

/** A response after redirects. */
export interface HubResponse {
  /** The last response; for HEAD the hub's own, which may be a redirect to another host. */
  response: Response;
  /** Whether the last response is from the hub, not from a host that it redirected to. */
  fromHub: boolean;
  /** A header of the hub's own responses; headers of other hosts are not trusted. */
  hubHeader(name: string): string | undefined;
}

/** Timeout of a request. */
export interface RequestTimer {
  /** Aborted after the timeout, or by the caller's signal. */
  signal: AbortSignal;
  /** Restarts the timeout, in milliseconds, default `limits.stallTimeout`. */
  restart(milliseconds?: number): void;
}

const maxRedirects = 10;

/**
 * Sends a request to the hub and follows its redirects: the token is not sent to other hosts, and
 * redirects from https to http are refused.
 *
 * @throws {TransientError} There is no connection, no response in time, or the server is busy.
 * @throws {Error} A redirect is refused, there are more than 10, or the server requests a delay above
 * `limits.maxDelay`.
 */
export async function hubRequest(
  hub: Hub,
  url: string,
  { method = "GET", headers = {} }: { method?: "GET" | "HEAD"; headers?: Record<string, string> },
  timer: RequestTimer,
): Promise<HubResponse> {
  const origin = new URL(hub.endpoint).origin;
  const told = new Map<string, string>();
  let at = new URL(url);
  for (let redirects = 0; redirects <= maxRedirects; redirects++) {
    const fromHub = at.origin === origin;
    const sent = new Headers(headers);
    // Without compression, content lengths and ranges are those of the file.
    sent.set("accept-encoding", "identity");
    if (fromHub && hub.token) sent.set("authorization", `Bearer ${hub.token}`);
    timer.restart(hub.limits.responseTimeout);
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
    // Signed URLs of content hosts are valid for GET only.
    if (method === "HEAD" && next.origin !== origin) return answer;
    at = next;
  }
  throw new Error(`${hub.endpoint} redirects more than ${maxRedirects} times`);
}

async function send(at: URL, init: RequestInit): Promise<Response> {
  try {
    return await fetch(at, init);
  } catch (error) {
    init.signal?.throwIfAborted();
    throw new TransientError(`no connection to ${at.host}: ${(error as Error).message}`);
  }
}

async function refuseBusy(response: Response, { limits }: Hub): Promise<void> {
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
  if (after !== undefined && after > limits.maxDelay) {
    throw new Error(`${message} and asks to wait ${Math.ceil(after / 1000)} s: try again then`);
  }
  throw new TransientError(message, after);
}

// Bounds the requests to a server that sends a few bytes per attempt.
const maxAttempts = 100;

/**
 * Calls `attempt` until it succeeds, again after a {@link TransientError}, with a delay that doubles
 * or that the server requests. Other errors are thrown as they are.
 *
 * @param progress Amount done so far, such as bytes. A failed attempt that exceeds the highest amount
 * resets the count of failures.
 * @throws {Error} `limits.attempts` attempts in a row failed; the message begins with `what`.
 */
export async function withRetries<T>(
  { limits, signal }: Hub,
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
      if (!(error instanceof TransientError)) throw error;
      failures = progress() > most ? 1 : failures + 1;
      most = Math.max(most, progress());
      if (failures >= limits.attempts || attempts >= maxAttempts) {
        throw new Error(`${what}: ${error.message} (${attempts} attempts)`, { cause: error });
      }
      const pause = error.after ?? limits.delay * 2 ** (failures - 1);
      await sleep(Math.min(pause, limits.maxDelay), signal);
    }
  }
}

/** Waits. Rejects with the signal's reason when it is aborted. */
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

/** Timeout of a transfer that stalls. */
export interface StallTimer extends RequestTimer {
  /** Throws a {@link TransientError} for a timeout or a broken connection, else the error itself. */
  explain(error: Error): never;
  /** Stops the timer. */
  [Symbol.dispose](): void;
}

/** Starts a timer with `limits.responseTimeout`. */
export function stallTimer({ signal, limits }: Hub): StallTimer {
  const stalled = new AbortController();
  let timer: ReturnType<typeof setTimeout>;
  let limit: number;
  const restart = (milliseconds = limits.stallTimeout) => {
    clearTimeout(timer);
    limit = milliseconds;
    timer = setTimeout(() => stalled.abort(), limit);
  };
  restart(limits.responseTimeout);
  return {
    signal: signal ? AbortSignal.any([signal, stalled.signal]) : stalled.signal,
    restart,
    explain(error: Error): never {
      signal?.throwIfAborted();
      if (stalled.signal.aborted) {
        throw new TransientError(`nothing arrived for ${limit / 1000} s`);
      }
      throw error instanceof TypeError || error.name === "Http"
        ? new TransientError(`the transfer broke: ${error.message}`)
        : error;
    },
    [Symbol.dispose]: () => clearTimeout(timer),
  };
}
