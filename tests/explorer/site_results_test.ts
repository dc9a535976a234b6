import { assert, assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import { parse } from "@std/csv";
import { layAxis } from "../../lib/explorer/figure_data.ts";
import { openPair } from "../../lib/explorer/page/pair_reader.ts";
import { NONE, NOWHERE, PHASES, WHOLE } from "../../lib/explorer/pair_rows.ts";
import { readPicture } from "../../lib/explorer/result_folder.ts";
import type { SaeResults } from "../../lib/explorer/sae_results.ts";
import type { SiteSae } from "../../lib/explorer/site_manifest.ts";
import { type SiteResults, siteResults } from "../../lib/explorer/site_results.ts";
import type { SweepData } from "../../lib/explorer/sweep_data.ts";
import { stitchingFiles } from "../../lib/report/mod.ts";
import { effectsOf, makeStudy } from "../report/made_study.ts";
import { madeFolder, madeMeta, madeStitching, madeSweep, madeTraining } from "./made_results.ts";

const SMALL = { name: "m20", dictSize: 20, decoderDigest: "a".repeat(64) };
const LARGE = { name: "m100", dictSize: 100, decoderDigest: "b".repeat(64) };
const OTHER = { name: "m300", dictSize: 300, decoderDigest: "c".repeat(64) };

/** SAEs of a site, as far as results are concerned. */
const saesOf = (...saes: (typeof SMALL)[]): SiteSae[] =>
  saes.map((sae, i) => ({
    ...{ name: `shown ${sae.name}`, path: `data/${i}/`, map: {} },
    manifest: { sae: { ...sae, architecture: "batchtopk" } },
  } as unknown as SiteSae));

const readerOf = ({ files }: SiteResults, path: string) => {
  let read = 0;
  const open = openPair((name, from, to) => {
    const file = files.find((file) => file.name === path + name);
    if (!file) throw new Error(`no ${path}${name}`);
    const part = file.bytes.slice(from, to);
    read += part.length;
    return Promise.resolve(part);
  });
  return { open, bytes: () => read };
};

function json<T>({ files }: SiteResults, name: string): T {
  return JSON.parse(new TextDecoder().decode(files.find((file) => file.name === name)!.bytes));
}

Deno.test("a pair's latents, steps, groups and novel latents come back by ranges", async () => {
  const folder = madeStitching([SMALL, LARGE]);
  const site = await siteResults(saesOf(LARGE, SMALL), [folder]);
  assertEquals(site.pairs, [
    { small: 1, large: 0, path: "pairs/0/", sweep: 0, claims: [1, 1, 1] },
  ]);
  const { open, bytes } = readerOf(site, "pairs/0/");
  const pair = await open;
  const table = async (name: string) =>
    parse(await folder.read(`${name}_pair0.csv`), { skipFirstRow: true });
  const latents = await table("latents");
  const [x, y] = await pair.effectPlaces();
  const { effects: { marks }, novel } = pair.data;
  assertEquals(novel, 50);
  const isNovel = (latent: number) => x[latent] < marks![0].at * WHOLE;
  for (const [latent, row] of latents.entries()) {
    const before = bytes();
    const found = await pair.effect(latent);
    assertEquals(bytes() - before, 24);
    for (const name of ["cosine", "deltaMse", "deltaBias", "deltaL0"] as const) {
      assertEquals(found[name], Math.fround(Number(row[name])), `${name} of ${latent}`);
    }
    assertEquals(found.nearest, Number(row.nearest));
    // What is never active is in no place.
    assertEquals(x[latent] === NOWHERE, latent === 0);
    if (latent > 0) assertEquals(isNovel(latent), row.novel === "1");
    const group = latent % 2 === 1 && latent < 80 ? Math.floor(latent / 4) : NONE;
    assertEquals(found.group, group);
  }
  // Of two latents the one that improves the SAE more is lower.
  const [better, worse] = [2, 1];
  assert(Number(latents[better].deltaMse) < Number(latents[worse].deltaMse));
  assert(y[better] < y[worse]);

  const steps = await table("path");
  assertEquals(pair.data.path.steps, steps.length);
  assertEquals(pair.data.path.runs, [[0, 0], [1, 1], [51, 2]]);
  const [across, mse, l0] = await pair.pathPlaces();
  assertEquals([across.length, mse.length, l0.length], [71, 71, 71]);
  for (const [step, row] of steps.entries()) {
    const found = await pair.step(step);
    assertEquals(PHASES[found.phase], row.phase as typeof PHASES[number]);
    assertAlmostEquals(found.mse, Number(row.mse), 1e-5);
    assertAlmostEquals(found.change, Number(row.mse) - Number(row.biasMse), 1e-5);
    const what = { start: NONE, insert: Number(row.inserted), swap: Number(row.removed) };
    assertEquals(found.what, what[row.phase as keyof typeof what]);
  }
  assertEquals(pair.data.kinds.map(({ kind, count }) => [kind, count]), [
    ...[["one-to-one", 0], ["split", 20], ["merged", 0], ["tangled", 0]],
  ]);
  const groups = await pair.groups(3, 2);
  assertEquals(groups.map(({ members }) => members), [
    { small: [3], large: [13, 15] },
    { small: [4], large: [17, 19] },
  ]);
  assertEquals([groups[0].number, groups[0].deltaMse, groups[0].deltaL0], [3, 0.5, -0.125]);
  assertEquals((await pair.groups(3, 1, 1))[0].members, { small: [3], large: [13] });
  assertEquals([await pair.groupOfSmall(7), await pair.groupOfSmall(19)], [7, 19]);
  await assertRejects(() => pair.groups(19, 2), RangeError, "row 20 of groups.bin");
  await assertRejects(
    () => pair.groupOfSmall(20),
    RangeError,
    "latent is 20, expected one below 20",
  );
  await assertRejects(() => pair.effect(100), RangeError, "row 100 of effects.bin");
  // The small SAE's error grows most at the latents with the highest numbers; rare ones come last.
  const missing = await pair.missing(0, pair.data.missing);
  assertEquals(missing.length, 49);
  assertEquals([missing[0].latent, missing.at(-1)!.latent], [98, 2]);
  assertEquals(missing[0].smallActive, 198);
});

Deno.test("what stitch writes can be read", async () => {
  const groups = {
    groups: [
      { small: Uint32Array.of(5, 6), large: Uint32Array.of(7, 150) },
      { small: Uint32Array.of(1), large: Uint32Array.of(70) },
    ],
    ...{ smallOnly: Uint32Array.of(0), largeOnly: Uint32Array.of(2), edges: 5 },
  };
  const none = new Uint32Array();
  const point = (phase: string, removed: Uint32Array, inserted: Uint32Array, step: number) => ({
    ...{ step, phase, removed, inserted, mse: 100 - step, biasMse: 100, nmse: 0.1, l0: 9 + step },
    ...{ smallCount: 100, largeCount: step },
  });
  const path = [
    point("start", none, none, 0),
    point("insert", none, Uint32Array.of(2), 1),
    point("swap", groups.groups[0].small, groups.groups[0].large, 2),
    point("remove", Uint32Array.of(99), none, 3),
  ] as ReturnType<typeof makeStudy>["path"];
  const study = makeStudy({
    ...{ groups, path, swaps: effectsOf([0.5, 0.25], [-0.1, -0.1]) },
  });
  study.withGain.path = path;
  const row = { architecture: "batchtopk", l0: 10, mse: 1, nmse: 0.2, deadLatents: 5 };
  const texts = await stitchingFiles({
    ...{ date: "today", device: "CPU", source: { model: "m", hook: "h", samples: 5000 } },
    saes: [
      { ...row, name: "small <b>", dictSize: 100, decoderDigest: "a" },
      { ...row, name: "large", dictSize: 200, decoderDigest: "b" },
    ],
    pairs: [{ small: "small <b>", large: "large", study }],
    overlap: { names: ["small <b>", "large"], share: [[1, 0.5], [0.5, 1]], meanCosine: [] },
    biases: {
      ...{ names: ["small <b>", "large"], cosine: [[1, 0.5], [0.5, 1]], normDifference: [] },
      ...{ leastCosine: 0.5, mostDifference: 0.02 },
    },
    settings: {},
  });
  const site = await siteResults(
    saesOf(
      { name: "x", dictSize: 100, decoderDigest: "a" },
      { name: "y", dictSize: 200, decoderDigest: "b" },
    ),
    [madeFolder("stitch", "runs/real", texts)],
  );
  const pair = await readerOf(site, "pairs/0/").open;
  assertEquals(pair.data.novel, 60);
  assertEquals(pair.data.claims.length, 11);
  assertEquals(pair.data.pictures.length, 4);
  // One-to-one groups come first.
  const [single, tangled] = await pair.groups(0, 2);
  assertEquals([single.members.small[0], single.deltaMse], [1, 0.25]);
  assertEquals([[...tangled.members.large], tangled.deltaMse], [[7, 150], 0.5]);
  assertEquals((await pair.step(2)).what, 1);
  assertEquals((await pair.step(3)).what, 99);
  const chain = json<SweepData>(site, "sweeps/0/sweep.json");
  assertEquals(chain.pictures.length, 4);
  assertEquals(chain.figures[0].points!.map(({ sae }) => sae), [0, 1]);
});

Deno.test("a sweep's points lead to the SAEs that the site has", async () => {
  const saes = [SMALL, LARGE].flatMap((sae) =>
    [8, 16].map((k) => ({ ...sae, name: `${sae.name}_k${k}`, decoderDigest: sae.name + k, k }))
  );
  const site = await siteResults(saesOf(saes[0], saes[3]), [madeSweep(saes)]);
  assertEquals(site.sweeps, [{ kind: "sweep", name: "sweep", path: "sweeps/0/", saes: [0, 1] }]);
  const sweep = json<SweepData>(site, "sweeps/0/sweep.json");
  assertEquals(sweep.figures.map(({ title }) => title), [
    "NMSE, k = 8 (Fig. 7, left)",
    "CE degradation, k = 8 (Fig. 7, left)",
    "NMSE, k = 16 (Fig. 7, left)",
    "CE degradation, k = 16 (Fig. 7, left)",
    "NMSE, 20 latents (Fig. 7, right; Fig. 8)",
    "CE degradation, 20 latents (Fig. 7, right; Fig. 8)",
    "NMSE, 100 latents (Fig. 7, right; Fig. 8)",
    "CE degradation, 100 latents (Fig. 7, right; Fig. 8)",
    "NMSE, against measured L0",
  ]);
  assertEquals(sweep.figures[0].points!.map(({ sae }) => sae), [0, undefined]);
  assertEquals(sweep.figures[2].points!.map(({ sae }) => sae), [undefined, 1]);
  assertEquals(sweep.figures[0].x.ticks.map(([, words]) => words), ["20", "100"]);
  assertEquals(sweep.rows.map(({ sae }) => sae), [0, undefined, undefined, 1]);
  assertEquals(sweep.rows[0].cells.slice(0, 5), ["m20_k8", "batchtopk", "20", "8", "8.3"]);
  // Each SAE that the site has gets its own measures and curves.
  const results = json<SaeResults>(site, "results/1/results.json");
  assertEquals(results.from, ["sweep/m100_k16"]);
  assertEquals(results.measures[0], ["NMSE", "0.03448"]);
  assertEquals(results.figures.length, 3);
});

Deno.test("measures of a training and claims of a meta-SAE are those of one SAE", async () => {
  const saes = saesOf(SMALL, LARGE);
  const site = await siteResults(saes, [madeTraining(LARGE.decoderDigest), madeMeta(LARGE)]);
  assertEquals(saes.map(({ results }) => results), [undefined, "results/1/"]);
  const { measures, claims, pictures, from } = json<SaeResults>(site, "results/1/results.json");
  assertEquals(from, ["train", "meta"]);
  const value = Object.fromEntries(measures);
  assertEquals(value["NMSE"], "0.125");
  assertEquals(value["CE recovered, from zero"], "93.8 %");
  assertEquals(value["decoder rows explained by meta-latents"], "50.0 %");
  assertEquals(claims[0].claims[0].why, "a claim");
  assertEquals(pictures, [{ file: "plots/mean_cosine.svg", title: "mean cosine" }]);
});

Deno.test("results of other SAEs are refused, and it is said why", async () => {
  const refused = (saes: SiteSae[], folder: Parameters<typeof siteResults>[1][number]) => {
    return async (text: string) => {
      await assertRejects(() => siteResults(saes, [folder]), Error, text);
    };
  };
  const changed = { ...LARGE, name: "shown m100", decoderDigest: "d".repeat(64) };
  await refused(saesOf(SMALL, LARGE), madeStitching([SMALL, changed]))(
    "runs/stitch is of SAEs that have no dashboards here: shown m100, which is not the shown m100 of " +
      "data/1/: other decoder rows (digest dddddddddddd…, expected bbbbbbbbbbbb…). A pair needs the " +
      "dashboards of both SAEs, there are those of shown m20, shown m100",
  );
  await refused(saesOf(SMALL), madeStitching([SMALL, LARGE]))("m100 (digest bbbbbbbbbbbb…)");
  await refused(saesOf(SMALL), madeSweep([{ ...LARGE, k: 4 }]))(
    "runs/sweep is a sweep of 1 SAEs, of which none has dashboards here. There are those of shown m20",
  );
  await refused(saesOf(SMALL), madeTraining("e"))(
    "runs/train trained an SAE that has no dashboards here: train (digest e…)",
  );
  await refused(saesOf(SMALL), madeMeta(LARGE))(
    "runs/meta decomposes an SAE that has no dashboards",
  );
  await refused(saesOf(SMALL, { ...LARGE, dictSize: 99 }), madeStitching([SMALL, LARGE]))(
    "runs/stitch gives shown m100 100 latents, its dashboards 99",
  );
  // Dashboards from before they had digests are nobody's.
  const old = saesOf(SMALL, LARGE);
  for (const { manifest } of old) delete manifest.sae.decoderDigest;
  await refused(old, madeStitching([SMALL, LARGE]))(
    "runs/stitch is of SAEs that have no dashboards",
  );
  await refused(saesOf(SMALL), madeFolder("stitch", "runs/old", { "saes.csv": "" }))(
    "runs/old has no stitch.json: `saewing stitch` of an earlier version wrote it, run it again",
  );
  await refused(saesOf(SMALL), madeFolder("stitch", "runs/x", { "stitch.json": `{"format":"y"}` }))(
    'runs/x/stitch.json is of format "y", expected "saewing stitching 1"',
  );
  const twice = madeStitching([SMALL, LARGE], { name: "runs/again" });
  await assertRejects(
    () => siteResults(saesOf(SMALL, LARGE), [madeStitching([SMALL, LARGE]), twice]),
    Error,
    "runs/again has the pair m20 → m100, which another folder has too: give one",
  );
});

Deno.test("a pair is shown where both SAEs have dashboards, others of the chain are left out", async () => {
  const site = await siteResults(saesOf(SMALL, LARGE), [madeStitching([SMALL, LARGE, OTHER])]);
  assertEquals(site.pairs.length, 1);
  const chain = json<SweepData>(site, "sweeps/0/sweep.json");
  assertEquals(chain.rows.map(({ sae }) => sae), [0, 1, undefined]);
  // The way through all of them is drawn all the same.
  assertEquals(chain.figures.at(-1)!.lines!.length, 5);
});

Deno.test("a figure of a folder is shapes and words, or is refused", async () => {
  const picture = (svg: string) =>
    readPicture(madeFolder("meta", "runs/m", { "x.svg": svg }), "x.svg");
  const svg = (inner: string) => `<svg xmlns="http://www.w3.org/2000/svg">${inner}</svg>`;
  assertEquals(
    new TextDecoder().decode(
      await picture(svg(`<g class="on"><text>on x="1" &lt;b&gt;</text></g>`)),
    ),
    svg(`<g class="on"><text>on x="1" &lt;b&gt;</text></g>`),
  );
  for (
    const [inner, what] of [
      ["<script>x()</script>", 'an element "script"'],
      ["<g onclick='x()'/>", "an attribute onclick"],
      [`<g x="1"onload="x()"/>`, "an attribute onload"],
      ["<path/onload=x() />", "an attribute onload"],
      [`<path style="fill:url(https://example.com/)"/>`, "an address"],
      ["<path d='", 'a "<" that begins no element'],
      [`<text xlink:href="https://example.com"/>`, "an attribute xlink:href"],
      ["<foreignObject><b/></foreignObject>", 'an element "foreignObject"'],
      ["<a href='x'>y</a>", 'an element "a"'],
      ["<style>*{}</style>", 'an element "style"'],
      ["<!ENTITY x 'y'>", "a declaration or comment"],
      ["<?xml-stylesheet href='x'?>", "a declaration or comment"],
      ["<x:script xmlns:x='http://www.w3.org/2000/svg'>x()</x:script>", "an element"],
      ["<animate attributeName='x'/>", 'an element "animate"'],
      ["<text title='>' onclick='x()'>y</text>", "an attribute onclick"],
    ]
  ) {
    await assertRejects(() => picture(svg(inner)), Error, what, inner);
  }
});

Deno.test("an axis holds its values, and has a few round numbers", () => {
  const { axis, at } = layAxis("x", [-3, 17.2]);
  assertEquals(axis.ticks.map(([, words]) => words), ["0", "5", "10", "15"]);
  assert(at(-3) > 0 && at(17.2) < 1 && at(1000) === 1 && at(-1000) === 0);
  assertEquals(
    axis.ticks.map(([share]) => share),
    [0, 5, 10, 15].map((v) => Math.round(at(v) * 1e4) / 1e4),
  );
  const log = layAxis("x", [1, 1000, 0], { log: true });
  assertEquals(log.axis.ticks.map(([, words]) => words), ["1", "10", "100", "1,000"]);
  assertAlmostEquals(log.at(10) - log.at(1), log.at(100) - log.at(10), 1e-9);
  // One value, none, or all the same: still an axis.
  for (const values of [[], [5], [0, 0]]) {
    const { axis, at } = layAxis("x", values);
    assert(axis.ticks.length > 0 && axis.ticks.every(([share]) => share >= 0 && share <= 1));
    assert(Number.isFinite(at(5)));
  }
});

Deno.test("errors about damaged results name the folder and the file", async () => {
  const whole = madeStitching([SMALL, LARGE]);
  const damage: [file: string, text: string, message: string][] = [
    ["stitch.json", "{", `${whole.name}/stitch.json is damaged: `],
    ["path_pair0.csv", "", `${whole.name}: path_pair0.csv has no steps`],
    ["latents_pair0.csv", 'a,"b', `${whole.name}/latents_pair0.csv is damaged: `],
    ["latents_pair0.csv", "", `${whole.name}: the table of latents has 0 rows, expected 100`],
  ];
  for (const [damaged, text, message] of damage) {
    const read = (file: string) => file === damaged ? Promise.resolve(text) : whole.read(file);
    await assertRejects(
      () => siteResults(saesOf(SMALL, LARGE), [{ ...whole, read }]),
      Error,
      message,
    );
  }
});
