/**
 * The command line: `saewing COMMAND`, or `deno run -A jsr:@saewing/saewing/cli COMMAND`.
 *
 * @module
 */
import { type Command, EXIT, UsageError } from "./cli/command.ts";
import { convert } from "./cli/convert.ts";
import { doctor } from "./cli/doctor.ts";
import { evaluate } from "./cli/eval.ts";
import { harvest } from "./cli/harvest.ts";
import { stitch } from "./cli/stitch.ts";
import { inspect } from "./cli/inspect.ts";
import { meta } from "./cli/meta.ts";
import { sweep } from "./cli/sweep.ts";
import { train } from "./cli/train.ts";
import { printable } from "./cli/output.ts";
import { VERSION } from "./lib/version.ts";

const COMMANDS: Record<string, Command> = {
  doctor,
  inspect,
  harvest,
  train,
  eval: evaluate,
  sweep,
  stitch,
  meta,
  convert,
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
 * Runs the command line.
 *
 * @param args Its arguments, the command first.
 * @returns The exit code: 0 well, 1 failed, 2 wrong arguments, 130 interrupted (SIGINT), 143
 * terminated (SIGTERM).
 */
export async function main(args: string[]): Promise<number> {
  const [name, ...rest] = args;
  if (name === "--version" || name === "-V") {
    console.log(VERSION);
    return EXIT.ok;
  }
  if (name === undefined || name === "--help" || name === "-h" || name === "help") {
    console.log(HELP);
    return name === undefined ? EXIT.usage : EXIT.ok;
  }
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (!command) {
    console.error(`saewing: there is no command ${printable(name)}\n\n${HELP}`);
    return EXIT.usage;
  }
  if (rest.includes("--help") || rest.includes("-h")) {
    console.log(command.help);
    return EXIT.ok;
  }
  try {
    return await command.run(rest);
  } catch (error) {
    if (error instanceof UsageError) {
      console.error(
        printable(`saewing ${name}: ${error.message}\n\`saewing ${name} --help\` shows how`),
      );
      return EXIT.usage;
    }
    const message = error instanceof Error ? error.message : String(error);
    console.error(printable(`saewing ${name}: ${message}`));
    if (wantsTrace()) console.error(printable(Deno.inspect(error)));
    return EXIT.failed;
  }
}

/** Where the variable may not be read, it is not there: the error itself is what counts. */
function wantsTrace(): boolean {
  try {
    return Boolean(Deno.env.get("SAEWING_TRACE"));
  } catch {
    return false;
  }
}

if (import.meta.main) Deno.exit(await main(Deno.args));
