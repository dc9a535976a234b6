// Inputs and results of a check, and the Python environments of the peers.
import { dirname, fromFileUrl, join } from "@std/path";

/** The Python environments: of requirements.txt, or of requirements_export.txt. */
export type Environment = "peers" | "export";

/** The inputs of a check. */
export interface Peers {
  /** An empty temporary folder, removed afterwards. */
  folder: string;
  /** Folder with exported models, kept between runs. */
  models: string;
  /**
   * Runs a script of this folder.
   *
   * @param script Its file's name.
   * @param args Its arguments.
   * @param environment Default "peers".
   * @returns The last line that it prints, read as JSON.
   * @throws Error with the end of what the script wrote, when it fails.
   */
  python(script: string, args?: string[], environment?: Environment): Promise<unknown>;
}

/** A line of the result. */
export interface Row {
  /** What is compared. */
  check: string;
  /** Difference of the two sides; relative unless `note` says otherwise. */
  difference?: number;
  /** Largest accepted difference. */
  limit?: number;
  /** Why the limit may be exceeded, if it may. */
  reason?: string;
  /** A measurement that is not a difference. */
  measured?: string;
  /** A remark needed to read the row. */
  note?: string;
}

/** A file `NAME_check.ts`. */
export interface Check {
  title: string;
  check(peers: Peers): AsyncIterable<Row> | Promise<Iterable<Row>>;
}

/** This folder. */
export const HERE = dirname(fromFileUrl(import.meta.url));

/** Folder of environments and exported models. */
export function cacheFolder(): string {
  const own = Deno.env.get("SAEWING_PEERS");
  if (own) return own;
  const cache = Deno.env.get("XDG_CACHE_HOME") ?? join(Deno.env.get("HOME") ?? ".", ".cache");
  return join(cache, "saewing", "peers");
}

const SETUPS = {
  peers: {
    variable: "PYTHON",
    requirements: "requirements.txt",
    alone: "requirements_bench.txt",
  },
  export: {
    variable: "PYTHON_EXPORT",
    requirements: "requirements_export.txt",
    alone: "requirements_weights.txt",
  },
};

const interpreters = new Map<Environment, Promise<string>>();

/** The interpreter of an environment; makes the environment the first time. */
export function interpreter(environment: Environment): Promise<string> {
  const found = interpreters.get(environment) ?? findInterpreter(environment);
  interpreters.set(environment, found);
  return found;
}

async function findInterpreter(environment: Environment): Promise<string> {
  const { variable, requirements, alone } = SETUPS[environment];
  const given = Deno.env.get(variable);
  if (given) return given;
  const folder = join(cacheFolder(), environment);
  const python = join(folder, "bin", "python");
  const files = [requirements, alone].map((name) => Deno.readTextFile(join(HERE, name)));
  const wanted = (await Promise.all(files)).join("");
  // Written last: an incomplete environment is created again.
  const made = join(folder, "requirements.txt");
  if (await Deno.readTextFile(made).catch(() => "") === wanted) return python;
  console.error(`making ${folder} (${requirements}; ${variable} would name one that is there)`);
  await run("python3", ["-m", "venv", folder]);
  const install = ["-m", "pip", "install", "--quiet"];
  await run(python, [...install, "-r", join(HERE, requirements)]);
  await run(python, [...install, "--no-deps", "-r", join(HERE, alone)]);
  await Deno.writeTextFile(made, wanted);
  return python;
}

/** Runs a script of this folder, and reads the last line that it prints as JSON. */
export async function runPython(
  script: string,
  args: string[] = [],
  environment: Environment = "peers",
): Promise<unknown> {
  const printed = await run(await interpreter(environment), [join(HERE, script), ...args]);
  const last = printed.trim().split("\n").at(-1)!;
  try {
    return JSON.parse(last);
  } catch {
    throw new Error(`${script} ended with ${JSON.stringify(last)}, expected a line of JSON`);
  }
}

const ENVIRONMENT = {
  TQDM_DISABLE: "1",
  PYTHONDONTWRITEBYTECODE: "1",
  HF_HUB_OFFLINE: "1",
  TOKENIZERS_PARALLELISM: "false",
};

async function run(program: string, args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(program, {
    args,
    env: ENVIRONMENT,
    stdin: "null",
  }).output();
  const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  if (success) return out;
  const end = `${out}\n${err}`.trim().split("\n").slice(-25).join("\n");
  throw new Error(`${program} ${args.join(" ")} failed:\n${end}`);
}
