// Prints the WGSL of every kernel, or of those whose name contains a word:
//   deno task wgsl [--list] [decode …]
// `--list` prints only names; `--update` writes the snapshots that the tests compare with.
import { parseArgs } from "@std/cli";
import { everyKernel } from "./every_kernel.ts";
import { writeSnapshots } from "./snapshots.ts";

const args = parseArgs(Deno.args, { boolean: ["list", "update"] });
const words = args._.map(String);
const all = everyKernel().filter(({ name }) =>
  words.length === 0 || words.some((word) => name.includes(word))
);
if (args.update) await writeSnapshots();
else if (args.list) { for (const { name } of all) console.log(name); }
else for (const { name, kernel } of all) console.log(`// ${name}\n${kernel.code}`);
