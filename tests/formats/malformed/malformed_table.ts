// Loads every malformed file and prints what the error says:
//   deno run -A tests/formats/malformed/malformed_table.ts [--write]
// --write puts the table into malformed.txt, which the test compares with.
import { fromFileUrl } from "@std/path";
import { errorOf } from "./error_of.ts";
import { MALFORMED, tableOf } from "./malformed.ts";

const rows = [];
for (const one of MALFORMED) {
  rows.push({ ...one, error: (await errorOf(one)).message });
}
const table = tableOf(rows);
if (Deno.args.includes("--write")) {
  await Deno.writeTextFile(fromFileUrl(new URL("malformed.txt", import.meta.url)), table);
}
console.log(table + `\n${rows.length} files`);
