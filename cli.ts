/**
 * The command line: `saewing COMMAND`, or `deno run -A jsr:@saewing/saewing/cli COMMAND`.
 *
 * @module
 */
import { type Command, endInOrder } from "./cli/command.ts";
import { convert } from "./cli/convert.ts";
import { dashboard } from "./cli/dashboard.ts";
import { explore } from "./cli/explore.ts";
import { doctor } from "./cli/doctor.ts";
import { explain } from "./cli/explain.ts";
import { evaluate } from "./cli/eval.ts";
import { harvest } from "./cli/harvest.ts";
import { probe } from "./cli/probe.ts";
import { steer } from "./cli/steer.ts";
import { stitch } from "./cli/stitch.ts";
import { inspect } from "./cli/inspect.ts";
import { latents } from "./cli/latents.ts";
import { merge } from "./cli/merge.ts";
import { meta } from "./cli/meta.ts";
import { status } from "./cli/status.ts";
import { submitCommand } from "./cli/submit.ts";
import { sweep } from "./cli/sweep.ts";
import { train } from "./cli/train.ts";
import { EXIT, type Io, processIo, UsageError } from "./cli/io.ts";
import { namesOf, parseArguments, splitArguments } from "./cli/options.ts";
import { createOutput, printable } from "./cli/output.ts";
import { OutputFolderError } from "./lib/formats/output_folder.ts";
import { OptionError } from "./lib/sweep/mod.ts";
import { VERSION } from "./lib/version.ts";

const COMMANDS: Record<string, Command> = {
  doctor,
  inspect,
  harvest,
  merge,
  train,
  eval: evaluate,
  sweep,
  stitch,
  meta,
  dashboard,
  explore,
  probe,
  steer,
  explain,
  latents,
  convert,
  submit: submitCommand(() => COMMANDS),
  status,
};

const HELP = `saewing ${VERSION}: sparse autoencoders on language-model activations.

Usage
  saewing COMMAND [options]

Commands
${
  Object.entries(COMMANDS).map(([name, { summary }]) => `  ${name.padEnd(10)}${summary}`).join("\n")
}

\`saewing COMMAND --help\` says more.
`;

/**
 * Runs the command line. It leaves nothing behind in the process: no listener, no variable.
 *
 * @param args Its arguments, the command first.
 * @param io What it has of the process; a test passes its own.
 * @returns The exit code: 0 well, 1 failed, 2 wrong arguments, 130 interrupted (SIGINT), 143
 * terminated (SIGTERM).
 */
export async function main(args: string[], io: Io = processIo()): Promise<number> {
  const [name, ...rest] = args;
  if (name === "--version" || name === "-V") {
    io.print(VERSION);
    return EXIT.ok;
  }
  if (name === undefined || name === "--help" || name === "-h" || name === "help") {
    io.print(HELP);
    return name === undefined ? EXIT.usage : EXIT.ok;
  }
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (!command) {
    io.printError(`saewing: there is no command ${printable(name)}\n\n${HELP}`);
    return EXIT.usage;
  }
  if (rest.includes("--help") || rest.includes("-h")) {
    io.print(command.help);
    return EXIT.ok;
  }
  const prefix = io.colour ? `\x1b[31msaewing ${name}:\x1b[m` : `saewing ${name}:`;
  try {
    const names = namesOf(command.options);
    const { own, others } = command.passesOn
      ? splitArguments(rest, names)
      : { own: rest, others: [] };
    const options = parseArguments(own, names);
    using output = createOutput(io, { json: options.flag("json"), quiet: options.flag("quiet") });
    return await endInOrder(io, output, (session) => command.run(options, session, others));
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    io.printError(`${prefix} ${printable(message)}`);
    if (isUsageError(error)) {
      io.printError(`\`saewing ${name} --help\` shows how`);
      return EXIT.usage;
    }
    if (wantsTrace(io)) io.printError(printable(Deno.inspect(error)));
    return EXIT.failed;
  }
}

/** Arguments that do not fit, by the command line itself or by what it calls. */
function isUsageError(error: unknown): boolean {
  return [UsageError, OptionError, OutputFolderError].some((kind) => error instanceof kind);
}

/** Where the variable may not be read, it is not there: the error itself is what counts. */
function wantsTrace(io: Io): boolean {
  try {
    return Boolean(io.env("SAEWING_TRACE"));
  } catch {
    return false;
  }
}

if (import.meta.main) Deno.exit(await main(Deno.args));
