import { assert, assertEquals, assertRejects } from "@std/assert";
import { dashboardFiles, openDashboards } from "../../lib/explorer/dashboard_files.ts";
import { searchDashboards } from "../../lib/explorer/search_dashboards.ts";
import type { Dashboards } from "../../lib/interpretation/dashboards.ts";
import { dashboard } from "../interpretation/explain_helper.ts";

const WORDS = ["cat", "dog", "catalogue", "Cat", "it"];

/** Dashboards of latents that are active on a word each, and half as much on " sat" after it. */
const dashboards: Dashboards = {
  ...{ latents: Uint32Array.of(3, 5, 8, 13, 21), samples: 100, correlated: 100, rows: 40 },
  ...{ contextLength: 7, bytes: 0, density: () => 0.1, inactive: () => [] },
  read(latent) {
    const place = [3, 5, 8, 13, 21].indexOf(latent);
    return { ...dashboard(latent, WORDS[place]), density: 0.1 / (place + 1) };
  },
};

/** The folder in memory, with shards of one record; counts how often each file is read. */
async function open() {
  const files = new Map<string, Uint8Array<ArrayBuffer>>();
  const reads = new Map<string, number>();
  const label = ({ latent }: { latent: number }) => ({
    label: { text: `“word ${latent}” · <b>`, source: "tokens" },
  });
  const about = { sae: {}, model: {}, texts: {} };
  for await (const file of dashboardFiles(dashboards, about, label, { shardBytes: 1 })) {
    files.set(file.name, file.bytes);
  }
  const reader = await openDashboards((name, from, to) => {
    reads.set(name, (reads.get(name) ?? 0) + 1);
    return Promise.resolve(files.get(name)!.slice(from, to));
  });
  return { reader, reads, files };
}

Deno.test("latents are found by token, text and label, each shard read once", async () => {
  const { reader, reads } = await open();
  const latents = async (query: Parameters<typeof searchDashboards>[1], most?: number) =>
    (await searchDashboards(reader, query, { most })).map(({ latent }) => latent);
  // Of equal shares the rarer one comes first; upper and lower case are the same.
  assertEquals(await latents({ token: " CAT" }), [13, 3]);
  for (const [name, count] of reads) assertEquals(count, 1, name);
  assertEquals([...reads.keys()].filter((name) => name.startsWith("shard")).length, 5);
  assertEquals(await latents({ token: "sat" }), [21, 13, 8, 5, 3]);
  assertEquals(await latents({ token: "sat" }, 2), [21, 13]);
  // “it” ends every context, where only the latent of that word is active; “on” is where none is.
  assertEquals(await latents({ token: "it" }), [21]);
  assertEquals(await latents({ token: "on" }), []);
  assertEquals(await latents({ text: "dog SAT" }), [5]);
  // It reaches into what is active, or it does not.
  assertEquals(await latents({ text: "sat «o" }), [21, 13, 8, 5, 3]);
  assertEquals(await latents({ text: "«on» i" }), []);
  assertEquals(await latents({ text: "cat" }), [13, 8, 3]);
  assertEquals(await latents({ label: "13 WORD" }), [13]);
  assertEquals(await latents({ label: "word" }), [21, 13, 8, 5, 3]);
  assertEquals(await latents({ label: "word", token: "dog" }), [5]);
  const [found] = await searchDashboards(reader, { token: "dog" });
  assertEquals([found.share, found.context?.tokens[3]], [1, " dog"]);
  assertEquals(found.label, { text: "“word 5” · <b>", source: "tokens" });
  for (const query of [{}, { token: " " }, { text: "", label: " " }]) {
    await assertRejects(() => searchDashboards(reader, query), RangeError, "the query is empty");
  }
});

Deno.test("records in order are those by place; a damaged folder is told", async () => {
  const { reader, files } = await open();
  const all = await Array.fromAsync(reader.records());
  assertEquals(all.length, 5);
  for (const [place, record] of all.entries()) assertEquals(record, await reader.record(place));
  const read = (name: string, from?: number, to?: number) =>
    Promise.resolve(files.get(name)!.slice(from, to));
  const index = new DataView(files.get("index.bin")!.buffer);
  index.setUint32(8, 10 ** 6, true);
  await assertRejects(
    () => Array.fromAsync(reader.records()),
    Error,
    "record 0 ends at byte 1000000 of shard-000.bin",
  );
  index.setUint32(0, 99, true);
  await assertRejects(() => Array.fromAsync(reader.records()), Error, "no shard for record 0");
  const text = new TextDecoder().decode(files.get("dashboard.json")!);
  const hostile = text.replace("shard-000.bin", "../../../etc/passwd");
  assert(hostile !== text);
  files.set("dashboard.json", new TextEncoder().encode(hostile));
  await assertRejects(
    () => openDashboards(read),
    Error,
    'names a shard "../../../etc/passwd", expected shard-000.bin',
  );
});
