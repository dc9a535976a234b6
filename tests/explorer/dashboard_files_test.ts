import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  type DashboardFile,
  dashboardFiles,
  openDashboards,
} from "../../lib/explorer/dashboard_files.ts";
import { dashboardRecord } from "../../lib/explorer/dashboard_record.ts";
import type { Dashboards, LatentDashboard } from "../../lib/interpretation/dashboards.ts";
import { createRandom } from "../../lib/random.ts";

const ABOUT = { sae: { dictSize: 9000 }, model: { id: "m" }, texts: { files: ["a.txt"] } };

function madeUp(latents: Uint32Array): Dashboards {
  return {
    ...{ latents, samples: 1000, correlated: 900, rows: 8, contextLength: 126, bytes: 0 },
    inactive: () => [],
    read(latent): LatentDashboard {
      const random = createRandom(latent);
      const activations = Float32Array.from({ length: 6 }, () => random.uniform());
      activations[random.below(5) + 1] = 0;
      const tokens = Array.from({ length: 6 }, (_, i) => `</script>${"é日"[i % 2]}`);
      const example = { row: latent % 8, position: 9, peak: 0, tokens, activations };
      return {
        ...{ latent, density: random.uniform(), actives: random.below(1000) },
        ...{ meanActivation: 0.5, maxActivation: random.uniform() },
        histogram: { width: 0.25, counts: Uint32Array.of(3, 0, 1) },
        top: [example],
        intervals: [{ low: 0, high: 1, count: 4, samples: [example] }],
        coactive: [{ latent: 3, correlation: 0.123456789, together: 7 }],
        nearest: latent === 0 ? [] : [{ latent: latent - 1, cosine: 0.75 }],
        others: [{ name: "small", nearest: [{ latent: 1, cosine: -0.5 }] }],
        metaLatents: [{ latent: 2, weight: 1.5 }],
      };
    },
  };
}

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
  const dashboards = madeUp(latents);
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

Deno.test("records are five digits short of what was measured, and no more", () => {
  const dashboard = madeUp(Uint32Array.of(5)).read(5);
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
  const files = await write(madeUp(Uint32Array.from({ length: 100 }, (_, i) => i)), {}, 4000);
  const shards = [...files.keys()].filter((name) => name.startsWith("shard-"));
  assert(shards.length >= 5, `${shards.length} shards`);
  for (const name of shards) assert(files.get(name)!.length <= 4000);
  const { manifest, record } = await openDashboards(reader(files));
  assertEquals(manifest.shards.map(({ name }) => name), shards);
  for (let place = 0; place < 100; place++) assertEquals((await record(place)).latent, place);
});

Deno.test("folders that are damaged or of another format are refused", async () => {
  const files = await write(madeUp(Uint32Array.of(1, 2)));
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
    'dashboard.json is of format "x", expected "saewing dashboards 1"',
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
