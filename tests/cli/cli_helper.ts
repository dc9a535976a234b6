import { main } from "../../cli.ts";
import { type Io, processIo } from "../../cli/io.ts";
import { fromFileUrl, join } from "@std/path";

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

/** Runs the command line in a process of its own, with variables beside the environment's. */
export async function saewing(
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

/** What a command has of its process in tests, and what it wrote. */
export interface TestIo {
  io: Io;
  /** What it wrote so far. */
  written: { stdout: string; stderr: string };
  /** Sends SIGINT (130) or SIGTERM (143). */
  interrupt(exitCode: number): void;
}

/** An {@linkcode Io} of this process that writes to texts, has its own variables, and is told to end. */
export function testIo(env: Record<string, string> = {}, own: Partial<Io> = {}): TestIo {
  const written = { stdout: "", stderr: "" };
  const listeners = new Set<(exitCode: number) => void>();
  const io: Io = {
    ...processIo(),
    print: (line) => void (written.stdout += `${line}\n`),
    printError: (line) => void (written.stderr += `${line}\n`),
    terminal: undefined,
    colour: false,
    env: (name) => env[name] ?? Deno.env.get(name),
    onInterrupt(call) {
      listeners.add(call);
      return { [Symbol.dispose]: () => void listeners.delete(call) };
    },
    exit(exitCode) {
      throw new Error(`exit at once with ${exitCode}`);
    },
    ...own,
  };
  return { io, written, interrupt: (code) => listeners.forEach((call) => call(code)) };
}

/** Runs the command line in this process. Paths are relative to the folder that the tests run in. */
export async function runMain(args: string[], env: Record<string, string> = {}): Promise<Ran> {
  const { io, written } = testIo(env);
  const code = await main(args, io);
  return { code, ...written };
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
