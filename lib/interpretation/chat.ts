import { createRandom } from "../random.ts";

/** A message of a conversation. */
export interface ChatMessage {
  /** Who speaks. */
  role: "system" | "user" | "assistant";
  /** What is said. */
  content: string;
}

/** Answers that were paid for, by prompt. */
export interface AnswerCache {
  /** The answer to a prompt, if there was one. */
  get(key: string): string | undefined;
  /** Keeps an answer; when this returns it must not get lost. */
  set(key: string, answer: string): Promise<void>;
}

/** How an endpoint is asked. */
export interface ChatOptions {
  /** Address that `/chat/completions` is added to, such as `https://api.openai.com/v1`. */
  endpoint: string;
  /** Name of the model there. */
  model: string;
  /** Key, sent as `Authorization: Bearer …` and told nowhere else. */
  key?: string;
  /** Questions that are open at a time (default 4). */
  concurrency?: number;
  /** How often a question is asked again after an answer that may be better next time (default 5). */
  retries?: number;
  /** Milliseconds that an answer may take (default 60,000). */
  timeout?: number;
  /** Milliseconds before the first repetition (default 500); doubled for each further one. */
  backoff?: number;
  /** Randomness of the answers (default 0). */
  temperature?: number;
  /** Tokens of an answer at most (default 200). */
  maxTokens?: number;
  /** Answers that are known. */
  cache?: AnswerCache;
  /** Ends everything, with the signal's reason. */
  signal?: AbortSignal;
}

/** A language model that answers questions. */
export interface Chat {
  /**
   * Asks. Equal questions are asked once.
   *
   * @throws {ChatError} The endpoint refuses, or gave no usable answer in all attempts.
   */
  ask(messages: readonly ChatMessage[]): Promise<string>;
  /** Whether the answer is known. */
  knows(messages: readonly ChatMessage[]): Promise<boolean>;
  /** How many questions went to the endpoint, repetitions included. */
  calls(): number;
}

/** An endpoint that gave no usable answer. Its message has no key in it. */
export class ChatError extends Error {
  /** The name shown in front of the message. */
  override name: string = "ChatError";
  /** Whether it may be about this question alone, as a filter's refusal or nonsense is: others may be answered. */
  readonly onlyThis: boolean;

  /** What went wrong, and whether with this question alone. */
  constructor(message: string, onlyThis = false) {
    super(message);
    this.onlyThis = onlyThis;
  }
}

/** Bytes of an answer at most: 200 tokens have some kB. */
const MOST_BYTES = 2 ** 20;
/** Longest wait that a server may ask for. */
const LONGEST_WAIT = 120_000;
/** Questions without a usable answer, and none with one, after which all are thought to end like that. */
const MOST_UNANSWERED = 5;
/** About all questions, not one: the key, the money, the address. */
const FOR_ALL = [401, 402, 403, 404, 405, 407];

/**
 * Opens an OpenAI-compatible endpoint: a commercial one, or a local server (llama.cpp, vLLM, Ollama). Nothing is
 * sent before a question is asked.
 *
 * An answer with status 408, 409, 429 or from 500 on, one that breaks off, is no JSON or has no text in it, and
 * a connection that fails are tried again, later each time, or when the server says so (`Retry-After`); other
 * statuses end in an error at once. What the model answers is text, nothing more.
 *
 * @throws {TypeError} The endpoint is no address, or has a name, a password or a query in it.
 */
export function openChat(options: ChatOptions): Chat {
  const { concurrency = 4, cache, signal } = options;
  const url = chatUrl(options.endpoint);
  const random = createRandom(0);
  const open = new Map<string, Promise<string>>();
  const waiting: (() => void)[] = [];
  let running = 0;
  let calls = 0;
  let answered = 0;
  let unanswered = 0;
  let newer = false;
  const body = (messages: readonly ChatMessage[]) =>
    JSON.stringify({
      model: options.model,
      messages,
      temperature: options.temperature ?? 0,
      max_tokens: options.maxTokens ?? 200,
    });
  const enter = async (): Promise<void> => {
    if (running >= concurrency) await new Promise<void>((resolve) => waiting.push(resolve));
    else running++;
  };
  // Whoever waits takes over the place.
  const leave = () => {
    const next = waiting.shift();
    if (next) next();
    else running--;
  };
  const fetchAnswer = async (text: string): Promise<string> => {
    await enter();
    try {
      for (let attempt = 0;; attempt++) {
        signal?.throwIfAborted();
        calls++;
        const sent = newer ? text.replace('"max_tokens":', '"max_completion_tokens":') : text;
        const outcome = await attemptOnce(url, sent, options);
        if ("answer" in outcome) {
          answered++;
          return hideKey(outcome.answer, options.key);
        }
        // Some models want the field by its newer name.
        if (!newer && /max_completion_tokens/.test(outcome.problem)) {
          newer = true;
          continue;
        }
        const last = attempt >= (options.retries ?? 5);
        if (last || !outcome.again) {
          const tries = attempt === 0 ? "" : ` (${attempt + 1} attempts)`;
          const problem = hideKey(`${url.host}: ${outcome.problem}${tries}`, options.key);
          const onlyThis = outcome.onlyThis && (answered > 0 || ++unanswered < MOST_UNANSWERED);
          throw new ChatError(problem, onlyThis);
        }
        const backoff = (options.backoff ?? 500) * 2 ** attempt * (0.5 + random.uniform());
        await sleep(Math.min(LONGEST_WAIT, outcome.wait ?? backoff), signal);
      }
    } finally {
      leave();
    }
  };
  return {
    calls: () => calls,
    knows: async (messages) => cache?.get(await keyOf(body(messages))) !== undefined,
    async ask(messages) {
      const text = body(messages);
      const key = await keyOf(text);
      const known = cache?.get(key);
      if (known !== undefined) {
        answered++;
        return known;
      }
      let answer = open.get(key);
      if (!answer) {
        answer = (async () => {
          const given = await fetchAnswer(text);
          await cache?.set(key, given);
          return given;
        })();
        open.set(key, answer);
        const forget = () => open.delete(key);
        answer.then(forget, forget);
      }
      return await answer;
    },
  };
}

/**
 * Where an endpoint's questions go.
 *
 * @throws {TypeError} It is no address, or has a name, a password or a query in it: these may be secret, and
 * addresses are written down.
 */
function chatUrl(endpoint: string): URL {
  const expected = "expected an http or https address such as http://127.0.0.1:8080/v1";
  const base = URL.parse(endpoint);
  if (!base || !/^https?:$/.test(base.protocol)) {
    throw new TypeError(`the endpoint is ${endpoint}, ${expected}`);
  }
  if (base.username + base.password + base.search + base.hash !== "") {
    throw new TypeError(
      `the endpoint at ${base.host} has a name, a password or a query in its address, ${expected}`,
    );
  }
  return new URL(`${base.href.replace(/\/+$/, "")}/chat/completions`);
}

type Outcome =
  | { answer: string }
  | { problem: string; again: boolean; onlyThis: boolean; wait?: number };

async function attemptOnce(url: URL, body: string, options: ChatOptions): Promise<Outcome> {
  const headers: Record<string, string> = { "content-type": "application/json" };
  if (options.key) headers.authorization = `Bearer ${options.key}`;
  const timeout = AbortSignal.timeout(options.timeout ?? 60_000);
  const signal = options.signal ? AbortSignal.any([options.signal, timeout]) : timeout;
  let response: Response;
  let text: string;
  try {
    response = await fetch(url, { method: "POST", headers, body, signal, redirect: "error" });
    // Before anything is cut: servers repeat what they were sent.
    text = hideKey(await readLimited(response), options.key);
  } catch (error) {
    options.signal?.throwIfAborted();
    if (error instanceof ChatError) {
      return { problem: error.message, again: false, onlyThis: true };
    }
    const slow = timeout.aborted ? `no answer in ${options.timeout ?? 60_000} ms` : undefined;
    const problem = slow ?? `no answer: ${(error as Error).message}`;
    return { problem, again: true, onlyThis: timeout.aborted };
  }
  if (!response.ok) {
    const again = [408, 409, 429].includes(response.status) || response.status >= 500;
    const problem = `status ${response.status}${said(text)}`;
    const onlyThis = !again && !FOR_ALL.includes(response.status);
    return { problem, again, onlyThis, wait: retryAfter(response.headers.get("retry-after")) };
  }
  const answer = answerOf(text);
  if (answer === undefined) {
    return { problem: `no answer in what it sent${said(text)}`, again: true, onlyThis: true };
  }
  return { answer };
}

/** The text of the first choice; undefined where there is none. */
function answerOf(text: string): string | undefined {
  let parsed: { choices?: { message?: { content?: unknown } }[] } | null;
  try {
    parsed = JSON.parse(text);
  } catch {
    return undefined;
  }
  const choices: unknown = parsed?.choices;
  const content = Array.isArray(choices) ? choices[0]?.message?.content : undefined;
  return typeof content === "string" && content.trim() !== "" ? content : undefined;
}

async function readLimited(response: Response): Promise<string> {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let bytes = 0;
  for await (const part of response.body ?? []) {
    parts.push(part);
    bytes += part.length;
    if (bytes > MOST_BYTES) {
      throw new ChatError(`an answer of more than ${MOST_BYTES} bytes`);
    }
  }
  return await new Blob(parts).text();
}

/** Seconds or a date, as HTTP has it, in milliseconds from now. */
function retryAfter(header: string | null): number | undefined {
  if (header === null) return undefined;
  const seconds = Number(header);
  const wait = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(header) - Date.now();
  return Number.isFinite(wait) ? Math.max(0, wait) : undefined;
}

/** The beginning of what a server said, on one line. */
function said(text: string): string {
  const line = text.replace(/\s+/g, " ").trim().slice(0, 200);
  return line === "" ? "" : `: ${line}`;
}

function hideKey(message: string, key: string | undefined): string {
  return key ? message.replaceAll(key, "***") : message;
}

async function sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
  signal?.throwIfAborted();
  await new Promise<void>((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal!.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, milliseconds);
    signal?.addEventListener("abort", stop, { once: true });
  });
}

/** SHA-256 of model, messages and settings. */
async function keyOf(body: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(body));
  return new Uint8Array(digest).toHex();
}

/**
 * The key of an endpoint: SAEWING_API_KEY, for endpoints of openai.com else OPENAI_API_KEY, which is sent to
 * nobody else.
 *
 * @param env An environment variable, undefined where it is not set.
 */
export function endpointKey(
  endpoint: string,
  env: (name: string) => string | undefined,
): string | undefined {
  const isOpenAi = /(^|\.)openai\.com$/.test(URL.parse(endpoint)?.hostname ?? "");
  return env("SAEWING_API_KEY") || (isOpenAi ? env("OPENAI_API_KEY") : undefined) || undefined;
}

/** Whether what is sent to an endpoint can be read on the way: http to another machine. */
export function isSentInClear(endpoint: string): boolean {
  const { protocol, hostname } = new URL(endpoint);
  return protocol === "http:" && !/^(localhost|127\..*|\[::1\])$/.test(hostname);
}
