// Compares saewing with its peers (conventions in this folder's README.md):
//   deno task peers [--only NAME,NAME] [--json FILE] [--markdown FILE] [--list]
import { parseArgs } from "@std/cli";
import { join, toFileUrl } from "@std/path";
import { VERSION } from "../../lib/version.ts";
import { cacheFolder, type Check, HERE, type Row, runPython } from "./peer.ts";
import { type CheckResult, countOutcomes, markdownOf, rowText } from "./peer_table.ts";

const args = parseArgs(Deno.args, { string: ["only", "json", "markdown"], boolean: ["list"] });

const names: string[] = [];
for await (const { name } of Deno.readDir(HERE)) {
  if (name.endsWith("_check.ts")) names.push(name.slice(0, -"_check.ts".length));
}
names.sort();
const only = args.only?.split(",") ?? names;
for (const name of only) {
  if (!names.includes(name)) {
    throw new Error(`--only names ${name}, expected some of ${names.join(", ")}`);
  }
}
const checks = new Map<string, Check>();
for (const name of names.filter((name) => only.includes(name))) {
  checks.set(name, await import(toFileUrl(join(HERE, `${name}_check.ts`)).href));
}
if (args.list) {
  for (const [name, { title }] of checks) console.log(`${name.padEnd(20)} ${title}`);
  Deno.exit();
}

const models = join(cacheFolder(), "models");
await Deno.mkdir(models, { recursive: true });
const results: CheckResult[] = [];
for (const [name, { title, check }] of checks) {
  console.log(`${name}: ${title}`);
  const started = performance.now();
  const rows: Row[] = [];
  const add = (row: Row) => {
    rows.push(row);
    console.log(rowText(row));
  };
  const folder = await Deno.makeTempDir({ prefix: "saewing-peers-" });
  try {
    for await (
      const row of await check({ folder, models, python: runPython })
    ) {
      add(row);
    }
    if (rows.length === 0) throw new Error("the check has given no row");
  } catch (error) {
    add({ check: name, note: error instanceof Error ? error.message : String(error) });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
  results.push({ name, title, rows, seconds: (performance.now() - started) / 1000 });
}

const versions = {
  saewing: VERSION,
  deno: Deno.version.deno,
  peers: await runPython("versions.py").catch(messageOf),
  export: await runPython("versions.py", [], "export").catch(messageOf),
  machine: `${navigator.hardwareConcurrency} cores, ${Deno.build.target}`,
};
const counts = countOutcomes(results);
if (args.json) {
  await Deno.writeTextFile(args.json, JSON.stringify({ versions, counts, results }, null, 1));
}
if (args.markdown) await Deno.writeTextFile(args.markdown, markdownOf(results));
console.log(JSON.stringify(versions, null, 1));
console.log(
  `${counts.ok} within their limit, ${counts.explained} beyond it with a reason, ` +
    `${counts.measured} measured, ${counts.failed} failed`,
);
if (counts.failed > 0) Deno.exit(1);

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
