import { assert, assertEquals, assertRejects } from "@std/assert";
import { dashboardFiles } from "../../lib/explorer/dashboard_files.ts";
import { chooseRows } from "../../lib/explorer/page/table.tsx";
import { address, parseRoute } from "../../lib/explorer/page/route.ts";
import { searchLatents } from "../../lib/explorer/page/search.ts";
import { readable } from "../../lib/explorer/readable.ts";
import type { SearchIndex } from "../../lib/explorer/search_index.ts";
import { siteFiles } from "../../lib/explorer/site.ts";
import { latentMap, type SiteManifest } from "../../lib/explorer/site_manifest.ts";
import * as scripts from "../../lib/explorer/page_scripts.ts";
import { parseRange, siteHandler } from "../../lib/explorer/serve_site.ts";
import { bundleScript, SCRIPTS } from "./bundle.ts";
import { madeUpDashboards } from "./made_up.ts";

const ABOUT = { sae: { name: "a/b", dictSize: 50 }, model: { id: "m" }, texts: {} };

async function folder(about = ABOUT): Promise<Map<string, Uint8Array<ArrayBuffer>>> {
  const files = new Map<string, Uint8Array<ArrayBuffer>>();
  const latents = Uint32Array.from({ length: 50 }, (_, i) => i);
  for await (const file of dashboardFiles(madeUpDashboards(latents), about)) {
    files.set(file.name, file.bytes);
  }
  return files;
}

const source = (files: Map<string, Uint8Array<ArrayBuffer>>) => ({
  read: (name: string, from?: number, to?: number) =>
    Promise.resolve(files.get(name)!.slice(from, to)),
});

Deno.test("the page's scripts are what the sources bundle to", async () => {
  for (const [name, module] of Object.entries(SCRIPTS)) {
    const packed = Uint8Array.fromBase64(scripts[name as keyof typeof SCRIPTS]);
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    const kept = await new Response(stream).text();
    const same = kept === await bundleScript(module);
    assert(same, `${name} of page_scripts.ts is not ${module} bundled: run \`deno task explorer\``);
  }
});

Deno.test("a site has a page, a script, a map and the folders' files, and numbers equal names", async () => {
  const files = await folder();
  const found = await Array.fromAsync(siteFiles([source(files), source(files)]));
  const names = found.map(({ name }) => name);
  assertEquals(names.slice(0, 4), ["index.html", "icon.svg", "explorer.css", "explorer.js"]);
  assert(!names.includes("worker.js"));
  const last = found.at(-1)!;
  assert("bytes" in last && last.name === "site.json");
  const site: SiteManifest = JSON.parse(new TextDecoder().decode(last.bytes));
  assertEquals(site.saes.map(({ name, path }) => [name, path]), [
    ["a/b", "data/0/"],
    ["a/b (2)", "data/1/"],
  ]);
  const { counts, inactive } = site.saes[0].map;
  assertEquals(counts.reduce((a, b) => a + b, inactive), 50);
  for (const name of files.keys()) assert(names.includes(`data/1/${name}`), name);
  const index = found[0];
  assert("bytes" in index);
  const html = new TextDecoder().decode(index.bytes);
  assert(html.includes("default-src 'self'"));
  assert(!/<script(?![^>]*src=)|<style|onload|unsafe-inline|https?:/.test(html));
});

Deno.test("a folder that names a file elsewhere is refused", async () => {
  const files = await folder();
  const manifest = JSON.parse(new TextDecoder().decode(files.get("dashboard.json")!));
  manifest.shards[0].name = "../../etc/passwd";
  files.set("dashboard.json", new TextEncoder().encode(JSON.stringify(manifest)));
  await assertRejects(
    () => Array.fromAsync(siteFiles([source(files)])),
    Error,
    'dashboard.json names a shard "../../etc/passwd", expected shard-000.bin',
  );
});

Deno.test("the map counts every latent once, inactive ones apart", () => {
  const map = latentMap([0, 0.001, 0.1, 0.1, 1], [0, 2, 4, 4, 1]);
  assertEquals(map.inactive, 1);
  assertEquals(map.counts.reduce((a, b) => a + b), 4);
  assertEquals(map.density, [-3, 0]);
  const [columns, rows] = map.size;
  assertEquals(map.counts[(rows / 2) * columns], 1, "density 0.001 at half of the activation");
  const one = latentMap([0.5], [3]);
  assertEquals(one.counts.reduce((a, b) => a + b), 1);
  assertEquals(latentMap([0, 0], [0, 0]).inactive, 2);
});

Deno.test("addresses are read as they are written, and hostile ones lead nowhere", () => {
  for (const sae of ["m768", "a/b (2)", "<script>", "50%", "ä?#&"]) {
    const { query, ...rest } = parseRoute(address(sae, "latent", 7, { q: "a&b=c", none: "" }));
    assertEquals(rest, { sae, page: "latent", number: 7 });
    assertEquals([...query], [["q", "a&b=c"]]);
  }
  assertEquals(parseRoute("").sae, "");
  assertEquals(parseRoute("#/m/latent/-1").number, undefined);
  assertEquals(parseRoute("#/m/latent/1e9").number, undefined);
  assertEquals(parseRoute("#/%E0%A4%A/latent").sae, "%E0%A4%A");
});

Deno.test("a search finds whole tokens before labels before parts, and wants every word", () => {
  const index: SearchIndex = {
    tokens: [" the", "theme", " cat"],
    peaks: [[0], [1], [2], []],
    promoted: [[], [2], [], [0]],
    labels: ["", "", "about the sea", ""],
  };
  assertEquals([...searchLatents(index, "The")], [4, 1, 3, 2]);
  assertEquals([...searchLatents(index, "the cat")], [0, 3, 7, 0]);
  assertEquals([...searchLatents(index, "  ")], [0, 0, 0, 0]);
});

Deno.test("the table filters, sorts and ranks", () => {
  const columns = {
    latent: Uint32Array.of(4, 5, 6, 7),
    density: Float32Array.of(0.1, 0.2, 0.3, 0.2),
    max: Float32Array.of(9, 8, 7, 6),
    mean: new Float32Array(4),
    cosine: new Float32Array(4),
  };
  const rows = (query: string, scores?: Float32Array) => [
    ...chooseRows(columns, new URLSearchParams(query), scores),
  ];
  assertEquals(rows(""), [0, 1, 2, 3]);
  assertEquals(rows("sort=max"), [3, 2, 1, 0]);
  assertEquals(rows("sort=density&order=down"), [2, 1, 3, 0]);
  assertEquals(rows("dmin=0.15&amax=8&amin=x"), [1, 2, 3]);
  assertEquals(rows("", Float32Array.of(1, 0, 2, 2)), [2, 3, 0]);
  assertEquals(rows("sort=constructor"), [0, 1, 2, 3]);
});

Deno.test("control characters are seen", () => {
  assertEquals(readable("a\r\nb\tc\u0000\u001b"), "a↵b⇥c␀␛");
});

Deno.test("the server answers ranges, and has nothing but the site", async () => {
  const path = await Deno.makeTempFile();
  try {
    await Deno.writeTextFile(path, "0123456789");
    const answer = siteHandler(
      new Map<string, Uint8Array<ArrayBuffer> | string>([
        ["index.html", new TextEncoder().encode("<p>")],
        ["data/0/x.bin", path],
      ]),
    );
    const get = (name: string, range?: string, method = "GET") =>
      answer(
        new Request(`http://127.0.0.1/${name}`, { method, headers: range ? { range } : {} }),
      );
    const part = await get("data/0/x.bin", "bytes=2-4");
    assertEquals([part.status, await part.text()], [206, "234"]);
    assertEquals(part.headers.get("content-range"), "bytes 2-4/10");
    assertEquals(await (await get("data/0/x.bin", "bytes=-3")).text(), "789");
    assertEquals(await (await get("data/0/x.bin", "bytes=8-99")).text(), "89");
    const outside = await get("data/0/x.bin", "bytes=10-12");
    assertEquals([outside.status, outside.headers.get("content-range")], [416, "bytes */10"]);
    const all = await get("data/0/x.bin");
    assertEquals([all.status, await all.text()], [200, "0123456789"]);
    assertEquals(await (await get("")).text(), "<p>");
    const head = await get("data/0/x.bin", undefined, "HEAD");
    assertEquals([head.headers.get("content-length"), await head.text()], ["10", ""]);
    assertEquals((await get("../etc/passwd")).status, 404);
    assertEquals((await get("data/0/x.bin", undefined, "POST")).status, 405);
  } finally {
    await Deno.remove(path);
  }
  assertEquals(parseRange("bytes=0-0,5-6", 10), undefined);
  assertEquals(parseRange("bytes=-", 10), undefined);
});
