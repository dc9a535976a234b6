import { fromFileUrl, join } from "@std/path";
import { main } from "../../cli.ts";
import { testIo } from "./main_helper.ts";

/** The repository. */
export const ROOT = fromFileUrl(new URL("../..", import.meta.url));
/** The embedded model. */
export const MODEL = join(ROOT, "examples/tiny-gpt2");
/** A hook in its middle. */
export const HOOK = "blocks.2.hook_resid_pre";

/** What a command did. */
export interface Ran {
  code: number;
  stdout: string;
  stderr: string;
}

/** A command that runs in this process. */
export interface Running {
  /** What it did, once it has ended. */
  readonly ran: Promise<Ran>;
  /** Resolves when it has printed a text; fails where it ends without. */
  said(text: string): Promise<void>;
  /** Sends it a signal. A real one would reach the whole process, tests and all. */
  signal(name: "SIGINT" | "SIGTERM"): void;
}

/** Starts the command line in this process: Deno and all modules are there already. */
export function startSaewing(args: string[]): Running {
  const { io, written, interrupt } = testIo();
  let ended = false;
  const ran = main(args, io).then((code) => ({ code, ...written })).finally(() => ended = true);
  return {
    ran,
    async said(wanted) {
      while (!written.stdout.includes(wanted) && !written.stderr.includes(wanted)) {
        if (ended) throw new Error(`it ended before "${wanted}": ${JSON.stringify(written)}`);
        await sleep(5);
      }
    },
    signal: (name) => interrupt(name === "SIGINT" ? 130 : 143),
  };
}

/** Runs the command line in this process. Several may run at a time. */
export async function saewing(args: string[]): Promise<Ran> {
  return await startSaewing(args).ran;
}

/**
 * Runs the command line in a process of its own: for what depends on the folder, the environment or signals.
 */
export async function saewingProcess(
  args: string[],
  cwd = ROOT,
  env: Record<string, string> = {},
): Promise<Ran> {
  return await deno(["run", "-A", join(ROOT, "cli.ts"), ...args], cwd, env);
}

/** Runs Deno in a process of its own. */
export async function deno(
  args: string[],
  cwd = ROOT,
  env: Record<string, string> = {},
): Promise<Ran> {
  const child = new Deno.Command(Deno.execPath(), { args, cwd, env: { NO_COLOR: "1", ...env } });
  const { code, stdout, stderr } = await child.output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

/** Calls back with a folder that is removed afterwards. */
export async function withFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "saewing-test-" });
  try {
    await use(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** English for models to read, the same whatever becomes of the documentation: two documents. */
export const CORPUS = join(ROOT, "tests/fixtures/corpus.jsonl");

/** Copies {@linkcode CORPUS} into a folder. Gives its path there. */
export async function writeCorpus(folder: string): Promise<string> {
  const path = join(folder, "corpus.jsonl");
  await Deno.copyFile(CORPUS, path);
  return path;
}

/** Waits for some milliseconds. */
export const sleep = (ms: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, ms));
