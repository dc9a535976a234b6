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
