// The house's rules: who may import whom, what knows of Deno, how long a file may be.
import { assert, assertEquals, assertThrows } from "@std/assert";
import { dirname, fromFileUrl, join, relative } from "@std/path";
import { VERSION } from "../lib/version.ts";

const ROOT = fromFileUrl(new URL("..", import.meta.url));

/** Each folder imports only from itself and from folders before it. */
const FOLDERS = [
  "kernels",
  "lib/device",
  "lib/ops",
  "lib/sae",
  "lib/training",
  "lib/language_model",
  "lib/files",
  "lib/jobs",
  "lib/activations",
  "lib/evaluation",
  "lib/sweep",
  "lib/stitching",
  "lib/meta",
  "lib/claims",
  "lib/interpretation",
  "lib/formats",
  "lib/report",
  "lib/explorer",
];

/** Folders that run in a browser page too. */
const WEB = [
  ...[
    "kernels",
    "device",
    "ops",
    "sae",
    "training",
    "evaluation",
    "sweep",
    "stitching",
    "meta",
    "claims",
  ],
];

/** Files at the foot of the house: everyone may import them, they import at most one another. */
const GROUND = [
  "matrix",
  "mean",
  "format_number",
  "batches",
  "progress",
  "random",
  "version",
  "whole_number",
].map((
  name,
) => `lib/${name}.ts`);

interface Source {
  path: string;
  text: string;
}

async function readSources(folder: string): Promise<Source[]> {
  const sources: Source[] = [];
  for await (const entry of Deno.readDir(join(ROOT, folder))) {
    const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
    if (entry.isDirectory) sources.push(...await readSources(path));
    else if (/\.tsx?$/.test(path)) {
      sources.push({ path, text: await Deno.readTextFile(join(ROOT, path)) });
    }
  }
  return sources;
}

/** Text without comments: examples in doc comments are not code. */
function code(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/(^|\s)\/\/.*$/gm, "");
}

/** What a file imports or re-exports, paths from the root for its own files. */
function importsOf({ path, text }: Source): string[] {
  const found = code(text).matchAll(/(?:[^.\w]from\s+|\bimport\s*\(?\s*)"([^"]+)"/g);
  return [...found].map(([, name]) =>
    name.startsWith(".") ? relative(ROOT, join(ROOT, dirname(path), name)) : name
  );
}

const folderOf = (path: string) =>
  FOLDERS.findIndex((folder) => path === folder || path.startsWith(`${folder}/`));

const sources = [...await readSources("kernels"), ...await readSources("lib")];

Deno.test("the house has the sources that its rules are about", () => {
  assert(sources.length > 60);
  for (const { path } of sources) {
    assert(folderOf(path) >= 0 || GROUND.includes(path), `${path} is in no known folder`);
  }
  // The reader of imports finds them: on one line, on several, re-exported, at run time.
  const text = `import a from "./a.ts";\nimport { \n  b, \n } from "../gpu/b.ts";\n// from "c"\n` +
    `export * from "npm:d";\nimport("./e.ts");\nimport "node:fs";\n` +
    `buffers.from("encoder", Array.from("text"));`;
  assertEquals(importsOf({ path: "lib/ops/x.ts", text }), [
    "lib/ops/a.ts",
    "lib/gpu/b.ts",
    "npm:d",
    "lib/ops/e.ts",
    "node:fs",
  ]);
});

Deno.test("a folder imports only from folders above it; the ground floor from none", () => {
  for (const source of sources) {
    const { path } = source;
    for (const name of importsOf(source)) {
      if (GROUND.includes(name)) continue;
      if (GROUND.includes(path)) throw new Error(`${path} imports ${name}, expected no import`);
      if (!name.startsWith("lib/") && !name.startsWith("kernels/")) {
        continue;
      }
      const [own, other] = [folderOf(path), folderOf(name)];
      assert(other >= 0 && other <= own, `${path} imports ${name}, which comes after its folder`);
    }
  }
});

Deno.test("what may run in a browser uses neither Deno nor node nor packages", () => {
  for (const source of sources) {
    const folder = source.path.split("/").at(source.path.startsWith("lib/") ? 1 : 0)!;
    if (!WEB.includes(folder) && !GROUND.includes(source.path)) continue;
    const found = code(source.text).match(/\bDeno\.\w+|"node:[^"]*"|"npm:[^"]*"/);
    assertEquals(found?.[0], undefined, source.path);
    for (const name of importsOf(source)) {
      assert(/^(lib|kernels)\//.test(name), `${source.path} imports ${name}`);
    }
  }
});

Deno.test("the explorer's page uses neither Deno nor node", () => {
  const page = sources.filter(({ path }) => path.startsWith("lib/explorer/page/"));
  assert(page.length > 5);
  for (const { path, text } of page) {
    assertEquals(code(text).match(/\bDeno\.\w+|"node:[^"]*"/)?.[0], undefined, path);
    // Text becomes nodes of text, never markup.
    const markup = code(text).match(/innerHTML|outerHTML|insertAdjacentHTML|document\.write/);
    assertEquals(markup?.[0], undefined, path);
  }
});

Deno.test("ONNX Runtime is imported in one place, behind what turns its telemetry off", () => {
  const names = sources.filter((source) => importsOf(source).includes("onnxruntime-node"));
  assertEquals(names.map(({ path }) => path), ["lib/language_model/onnx_runtime.ts"]);
  const imports = importsOf(names[0]);
  assertEquals(imports.indexOf("lib/language_model/no_telemetry.ts"), 0);
});

Deno.test("the version is that of deno.json", async () => {
  const { version } = JSON.parse(await Deno.readTextFile(join(ROOT, "deno.json")));
  assertEquals(VERSION, version);
});

Deno.test("a name is exported by one entry point, and the main one can be read at a glance", async () => {
  const { exports } = JSON.parse(await Deno.readTextFile(join(ROOT, "deno.json")));
  const { "./cli": _, ...entryPoints }: Record<string, string> = exports;
  const inRooms = sources.filter(({ path }) => path.endsWith("/mod.ts")).map(({ path }) => path);
  assertEquals(
    Object.values(entryPoints).sort(),
    ["mod.ts", ...inRooms].map((path) => `./${path}`).sort(),
  );
  const seen = new Map<string, string>();
  for (const entryPoint of Object.values(entryPoints)) {
    const text = code(await Deno.readTextFile(join(ROOT, entryPoint)));
    // Re-exports by name, and nothing else.
    assertEquals(
      text.replace(/export (type )?\{[^}]*\} from "[^"]+";/g, "").trim(),
      "",
      entryPoint,
    );
    const names = [...text.matchAll(/\{([^}]*)\}/g)].flatMap(([, list]) =>
      list.split(",").map((name) => name.trim().replace(/^type /, "")).filter((name) => name !== "")
    );
    assert(names.length > 0, entryPoint);
    if (entryPoint === entryPoints["."]) {
      assert(names.length <= 60, `mod.ts has ${names.length} names`);
    }
    for (const name of names) {
      assertEquals(seen.get(name), undefined, `${entryPoint} exports ${name} too`);
      seen.set(name, entryPoint);
    }
  }
});

Deno.test("no source file is longer than a reader's patience, 350 lines", async () => {
  const others = [];
  for (const folder of ["tests", "std", "examples", "bench", "cli"]) {
    others.push(...await readSources(folder));
  }
  for (const name of ["mod.ts", "cli.ts"]) {
    others.push({ path: name, text: await Deno.readTextFile(join(ROOT, name)) });
  }
  for (const { path, text } of [...sources, ...others]) {
    const lines = text.trimEnd().split("\n").length;
    assert(lines <= 350, `${path} has ${lines} lines`);
  }
});

Deno.test("no file needs itself: imports have no circles, those of types included", async () => {
  const all = [...sources, ...await readSources("cli")];
  const imports = new Map(all.map((source) => [source.path, importsOf(source)]));
  const done = new Set<string>();
  const visit = (path: string, way: string[]): void => {
    assert(!way.includes(path), [...way.slice(way.indexOf(path)), path].join(" → "));
    if (done.has(path)) return;
    for (const name of imports.get(path) ?? []) visit(name, [...way, path]);
    done.add(path);
  };
  for (const path of imports.keys()) visit(path, []);
  // It is no test that finds nothing: a circle of types alone is one.
  imports.set("a.ts", importsOf({ path: "a.ts", text: 'import type { B } from "./b.ts";' }));
  imports.set("b.ts", importsOf({ path: "b.ts", text: 'import { type A } from "./a.ts";' }));
  assertThrows(() => visit("a.ts", []), Error, "a.ts → b.ts → a.ts");
});
