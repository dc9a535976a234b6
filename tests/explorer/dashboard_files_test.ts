import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  type DashboardFile,
  dashboardFiles,
  openDashboards,
} from "../../lib/explorer/dashboard_files.ts";
import { dashboardRecord } from "../../lib/explorer/dashboard_record.ts";
import type { Dashboards } from "../../lib/interpretation/dashboards.ts";
import { madeUpDashboards } from "./made_up.ts";

const ABOUT = { sae: { dictSize: 9000 }, model: { id: "m" }, texts: { files: ["a.txt"] } };

async function write(
  dashboards: Dashboards,
  extras = {},
  shardBytes?: number,
): Promise<Map<string, Uint8Array>> {
  const files = new Map<string, Uint8Array>();
  let last: DashboardFile | undefined;
  for await (const file of dashboardFiles(dashboards, ABOUT, () => extras, { shardBytes })) {
    assert(!files.has(file.name), `${file.name} comes twice`);
    files.set(file.name, file.bytes);
    last = file;
  }
  assertEquals(last?.name, "dashboard.json");
  return files;
}

const reader = (files: Map<string, Uint8Array>) => (name: string, from?: number, to?: number) =>
  Promise.resolve(files.get(name)!.slice(from, to) as Uint8Array<ArrayBuffer>);

Deno.test("a folder of dashboards gives every record back, by ranges", async () => {
  const latents = Uint32Array.from({ length: 150 }, (_, i) => 3 * i);
  const dashboards = madeUpDashboards(latents);
  const extras = { label: { text: "<b>cats</b>", source: "tokens" } };
  const files = await write(dashboards, extras);
  let bytes = 0;
  const { manifest, columns, record } = await openDashboards(async (name, from, to) => {
    const part = await reader(files)(name, from, to);
    bytes += part.length;
    return part;
  });
  assertEquals(manifest.latents, 150);
  assertEquals({ ...manifest.sae, ...manifest.model }, { dictSize: 9000, id: "m" });
  for (const place of [0, 63, 64, 149]) {
    const before = bytes;
    const wanted = { ...dashboardRecord(dashboards.read(latents[place])), ...extras };
    assertEquals(await record(place), wanted);
    assert(bytes - before < 1500, `${bytes - before} bytes were read for a record`);
  }
  const numbers = await columns();
  assertEquals(numbers.latent, latents);
  numbers.density.forEach((density, i) =>
    assertEquals(density, Math.fround(dashboardRecord(dashboards.read(latents[i])).density))
  );
  assertEquals([...numbers.nearest.slice(0, 3)], [0, 2, 5]);
  assertEquals([...numbers.cosine.slice(0, 3)], [0, 0.75, 0.75]);
});

Deno.test("search and meta-latents are read without a shard", async () => {
  const latents = Uint32Array.from({ length: 70 }, (_, i) => 2 * i);
  const files = await write(madeUpDashboards(latents), {
    label: { text: "cats", source: "tokens" },
    logits: { promoted: [[" cat", 2], ["\u0000", 1]], suppressed: [], histogram: {} },
  });
  for (const name of files.keys()) if (name.startsWith("shard-")) files.delete(name);
  const { manifest, search, latentsOf } = await openDashboards(reader(files));
  const index = await search();
  assertEquals(index.labels, new Array(70).fill("cats"));
  assertEquals(index.promoted[69].map((token) => index.tokens[token]), [" cat", "\u0000"]);
  assertEquals(index.peaks[3].map((token) => index.tokens[token]), ["</script>é"]);
  // Each made-up latent has meta-latent 2 with weight 1.5, and one of 0, 1, 3, 4 with less.
  assertEquals(manifest.metaLatents, 5);
  const { latents: all, total } = await latentsOf(2);
  assertEquals(total, 70);
  assertEquals(await latentsOf(2, 3), { total, latents: all.slice(0, 3) });
  assertEquals(all.map(([latent]) => latent), [...latents]);
  assertEquals(all[0][1], 1.5);
  const { latents: some } = await latentsOf(4);
  const expected = latents.filter((latent) => [0, 1, 3, 4][latent / 2 % 4] === 4);
  assertEquals(some.map(([latent]) => latent).sort((a, b) => a - b), [...expected]);
  assert(some.every(([, weight], i) => i === 0 || some[i - 1][1] >= weight));
  await assertRejects(
    () => latentsOf(5),
    RangeError,
    "meta-latent is 5, expected a whole number below 5",
  );
  assertEquals(index.metaLabels, undefined);
});

Deno.test("labels of meta-latents are kept by number", async () => {
  const dashboards = madeUpDashboards(Uint32Array.of(1, 2));
  const metaLabels = new Map([[3, { text: "<b>cats</b>", source: "tokens" }]]);
  const files = new Map<string, Uint8Array>();
  for await (
    const { name, bytes } of dashboardFiles(dashboards, ABOUT, undefined, { metaLabels })
  ) {
    files.set(name, bytes);
  }
  const index = await (await openDashboards(reader(files))).search();
  assertEquals(index.metaLabels, [null, null, null, metaLabels.get(3)!]);
});

Deno.test("a search file of another number of latents is refused", async () => {
  const files = await write(madeUpDashboards(Uint32Array.of(1, 2)));
  const others = await write(madeUpDashboards(Uint32Array.of(1)));
  files.set("search.bin", others.get("search.bin")!);
  const { search } = await openDashboards(reader(files));
  await assertRejects(search, Error, "search.bin has peaks of 1 latents, expected 2");
});

Deno.test("records are five digits short of what was measured, and no more", () => {
  const dashboard = madeUpDashboards(Uint32Array.of(5)).read(5);
  const { max, top, coactive, density } = dashboardRecord(dashboard);
  for (
    const [stored, measured] of [
      [max, dashboard.maxActivation],
      [density, dashboard.density],
      [coactive[0][1], 0.123456789],
      ...top[0].active.map(([i, value]) => [value, dashboard.top[0].activations[i]]),
    ]
  ) {
    assert(Math.abs(stored - measured) <= 5e-5 * measured, `${stored} for ${measured}`);
    assert(String(stored).length <= 8, String(stored));
  }
  assertEquals(
    top[0].active.map(([i]) => i),
    [
      ...dashboard.top[0].activations.keys(),
    ].filter((i) => dashboard.top[0].activations[i] > 0),
  );
});

Deno.test("large folders have several shards", async () => {
  const files = await write(
    madeUpDashboards(Uint32Array.from({ length: 100 }, (_, i) => i)),
    {},
    4000,
  );
  const shards = [...files.keys()].filter((name) => name.startsWith("shard-"));
  assert(shards.length >= 5, `${shards.length} shards`);
  for (const name of shards) assert(files.get(name)!.length <= 4000);
  const { manifest, record } = await openDashboards(reader(files));
  assertEquals(manifest.shards.map(({ name }) => name), shards);
  for (let place = 0; place < 100; place++) assertEquals((await record(place)).latent, place);
});

Deno.test("folders that are damaged or of another format are refused", async () => {
  const files = await write(madeUpDashboards(Uint32Array.of(1, 2)));
  const { record } = await openDashboards(reader(files));
  await assertRejects(() => record(2), RangeError, "place is 2, expected a whole number below 2");
  const shorter = new Map(files);
  shorter.set("shard-000.bin", files.get("shard-000.bin")!.slice(0, 20));
  const cut = await openDashboards(reader(shorter));
  await assertRejects(() => cut.record(0), Error, "shard-000.bin has 20 bytes from byte 0 on");
  const other = new Map(files);
  other.set("dashboard.json", new TextEncoder().encode('{"format": "x"}'));
  await assertRejects(
    () => openDashboards(reader(other)),
    Error,
    'dashboard.json is of format "x", expected "saewing dashboards 2"',
  );
  const bomb = new Map(files);
  const zeros = new Blob([new Uint8Array(2 ** 25)]).stream()
    .pipeThrough(new CompressionStream("gzip"));
  const packed = await new Response(zeros).bytes();
  const index = new DataView(new ArrayBuffer(24));
  index.setUint32(8, packed.length, true);
  bomb.set("shard-000.bin", packed);
  bomb.set("index.bin", new Uint8Array(index.buffer));
  const blown = await openDashboards(reader(bomb));
  await assertRejects(() => blown.record(0), Error, "a record has more than 16777216 characters");
});
