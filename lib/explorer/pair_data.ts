import type { StitchingSummary } from "../report/stitching_files.ts";
import type { Claim } from "../claims/verdict.ts";
import { type GroupKind, groupsByKind, type LatentGroup } from "../stitching/latent_groups.ts";
import { drawLine, type FigureData, layAxis, type PlacedAxis } from "./figure_data.ts";
import { EFFECT, GROUP, MISSING, NONE, packPlaces, PHASES, STEP } from "./pair_rows.ts";
import { numberIn, readTable, type ResultFolder } from "./result_folder.ts";

/** Content of `pair.json` of a site. */
export interface PairData {
  /** Model, hook and number of samples. */
  source: StitchingSummary["source"];
  /** Time of the run. */
  date: string;
  /** θ of Eq. 6. */
  threshold: number;
  /** Caveats for reading the numbers. */
  warnings: string[];
  /** The claims of section 4. */
  claims: Claim[];
  /** The small and the large SAE on these samples. */
  saes: [PairSae, PairSae];
  /** Latents of the large SAE that are novel. */
  novel: number;
  /** The effect of adding each latent (Fig. 4); its points are the `latents` packed ones of `effects.bin`. */
  effects: FigureData & { latents: number };
  /** MSE and L0 on the path from the small SAE to the large one (Fig. 5); points as in `path.bin`. */
  path: {
    steps: number;
    /** The phases: first step, and index in `PHASES`. */
    runs: [first: number, phase: number][];
    mse: FigureData;
    l0: FigureData;
  };
  /** Groups by kind (A.5), in the order of `groups.bin`. */
  kinds: { kind: GroupKind; count: number; smallLatents: number; largeLatents: number }[];
  /** Novel latents in `missing.bin`, those that the small SAE misses most first. */
  missing: number;
  /** Further figures. */
  pictures: { file: string; title: string }[];
}

/** An SAE of a pair, as measured on the pair's samples. */
export type PairSae = Pick<
  StitchingSummary["saes"][number],
  "name" | "dictSize" | "l0" | "mse" | "nmse" | "deadLatents"
>;

const PICTURES: [kind: string, title: string][] = [
  ["cosine", "Nearest latents (Fig. 10)"],
  ["similarity", "Activations and decoder rows (Fig. 11)"],
  ["missing_information", "What the small SAE misses (Fig. 14)"],
  ["swaps", "Swapping one group (Fig. 17)"],
];
/** Latents with fewer active samples come last, since their errors are unreliable. */
const FEWEST = 10;

/** A pair of a folder of `saewing stitch`, as files of a site. */
export async function pairData(
  folder: ResultFolder,
  { source, date, saes }: StitchingSummary,
  { small, large, file, threshold, warnings, claims }: StitchingSummary["pairs"][number],
): Promise<{ data: PairData; files: Record<string, Uint8Array<ArrayBuffer>> }> {
  const sae = (wanted: string): PairSae => {
    const found = saes.find(({ name }) => name === wanted);
    if (!found) throw new Error(`${folder.name}/stitch.json names no SAE ${wanted}`);
    const { name, dictSize, l0, mse, nmse, deadLatents } = found;
    return { name, dictSize, l0, mse, nmse, deadLatents };
  };
  const both: [PairSae, PairSae] = [sae(small), sae(large)];
  const table = (kind: string) => readTable(folder, `${kind}_${file}.csv`);
  const groups = orderGroups(await table("swaps"), `swaps_${file}.csv`);
  const effects = layEffects(await table("latents"), both[1].dictSize, threshold, groups.ofLarge);
  const path = layPath(await table("path"), groups.ofSmall);
  const missing = layMissing(await table("missing_information"));
  const pictures = PICTURES.map(([kind, title]) => ({ file: `plots/${kind}_${file}.svg`, title }))
    .filter(({ file }) => folder.files.includes(file));
  return {
    data: {
      ...{ source, date, threshold, warnings, claims, saes: both, novel: effects.novel },
      ...{ effects: effects.figure, path: path.figures, kinds: groups.kinds },
      ...{ missing: missing.count, pictures },
    },
    files: {
      ...{ "effects.bin": effects.bytes, "path.bin": path.bytes },
      ...{ "groups.bin": groups.bytes, "missing.bin": missing.bytes },
      "groups_of_small.bin": groupsOfSmall(both[0].dictSize, groups.ofSmall),
    },
  };
}

type Table = Record<string, string>[];

/** Groups by kind, and the group of each latent. */
function orderGroups(table: Table, file: string) {
  const numbers = (text: string) => Uint32Array.from(text.split(" "), Number);
  const read = table.map((row) => {
    const group: LatentGroup = { small: numbers(row.small), large: numbers(row.large) };
    return { row, group };
  });
  const rows = new Map(read.map(({ row, group }) => [group, row]));
  const kinds = groupsByKind(read.map(({ group }) => group));
  const ordered = kinds.flatMap(({ groups }) => groups);
  const [ofSmall, ofLarge] = [new Map<number, number>(), new Map<number, number>()];
  const members: number[] = [];
  const packed = ordered.map((group, at) => {
    for (const latent of group.small) ofSmall.set(latent, at);
    for (const latent of group.large) ofLarge.set(latent, at);
    const first = members.length;
    for (const latent of [...group.small, ...group.large]) members.push(latent);
    const value = (name: string) => numberIn(rows.get(group)!, name, file);
    return {
      ...{ first, small: group.small.length, large: group.large.length },
      ...{ deltaMse: value("deltaMse"), deltaBias: value("deltaBias") },
      deltaL0: value("deltaL0"),
    };
  });
  const list = new DataView(new ArrayBuffer(4 * members.length));
  members.forEach((latent, i) => list.setUint32(4 * i, latent, true));
  return {
    ...{ ofSmall, ofLarge },
    kinds: kinds.map(({ groups: _, ...counts }) => counts),
    bytes: join(GROUP.pack(packed), new Uint8Array(list.buffer)),
  };
}

/** The group of each latent of the small SAE, 32 bits. */
function groupsOfSmall(
  dictSize: number,
  groupOf: Map<number, number>,
): Uint8Array<ArrayBuffer> {
  const view = new DataView(new ArrayBuffer(4 * dictSize));
  for (let at = 0; at < dictSize; at++) view.setUint32(4 * at, groupOf.get(at) ?? NONE, true);
  return new Uint8Array(view.buffer);
}

function layEffects(
  table: Table,
  dictSize: number,
  threshold: number,
  groupOf: Map<number, number>,
) {
  if (table.length !== dictSize) {
    throw new Error(`the table of latents has ${table.length} rows, expected ${dictSize}`);
  }
  const rows = table.map((row) => ({
    ...{ nearest: Number(row.nearest), group: groupOf.get(Number(row.latent)) ?? NONE },
    ...{ cosine: Number(row.cosine), deltaMse: Number(row.deltaMse) },
    ...{ deltaBias: Number(row.deltaBias), deltaL0: Number(row.deltaL0) },
  }));
  const active = rows.filter(({ deltaL0 }) => deltaL0 > 0);
  const sorted = Float64Array.from(active, ({ deltaMse }) => deltaMse).sort();
  // A few outliers would flatten all others, so they are drawn at the edges.
  const cut = Math.floor(0.005 * sorted.length);
  const inside = sorted.slice(cut, sorted.length - cut);
  const x = layAxis("largest cosine with a latent of the small SAE", [
    threshold,
    ...active.map(({ cosine }) => cosine),
  ]);
  const y = layAxis("change of MSE (Σ over d)", [0, inside[0] ?? 0, inside.at(-1) ?? 0]);
  return {
    novel: rows.filter(({ cosine }) => cosine < threshold).length,
    bytes: join(
      packBytes(rows, ({ deltaL0, cosine }) => deltaL0 > 0 ? x.at(cosine) : undefined),
      packBytes(rows, ({ deltaL0, deltaMse }) => deltaL0 > 0 ? y.at(deltaMse) : undefined),
      EFFECT.pack(rows),
    ),
    figure: {
      latents: rows.length,
      title: "Adding one latent (Fig. 4)",
      note:
        "Change of the small SAE's MSE when a latent of the large one is added alone, against its " +
        `largest cosine. Not shown as never active: ${rows.length - active.length}` +
        (cut > 0 ? `; the ${2 * cut} outermost stand at the edges.` : "."),
      ...{ x: x.axis, y: y.axis },
      marks: [
        { axis: "x" as const, at: x.at(threshold), label: `θ = ${threshold}` },
        { axis: "y" as const, at: y.at(0), label: "" },
      ],
      kinds: [["novel", 0], ["reconstruction", 1]] as [string, number][],
    },
  };
}

function layPath(table: Table, groupOf: Map<number, number>) {
  const rows = table.map(({ phase, removed, inserted, ...row }) => {
    const first = (text: string) => text === "" ? NONE : Number(text.split(" ", 1)[0]);
    const what = {
      start: () => NONE,
      insert: () => first(inserted),
      swap: () => groupOf.get(first(removed)) ?? NONE,
      remove: () => first(removed),
    }[phase];
    if (!what) {
      throw new Error(
        `the path has a step of phase ${JSON.stringify(phase)}, expected ${PHASES.join(", ")}`,
      );
    }
    const value = (name: string) => Number(row[name]);
    return {
      ...{ phase: PHASES.indexOf(phase as typeof PHASES[number]), what: what() },
      latents: value("smallCount") + value("largeCount"),
      ...{ mse: value("mse"), change: value("mse") - value("biasMse"), l0: value("l0") },
    };
  });
  const runs = rows.flatMap(({ phase }, step): [number, number][] =>
    phase === rows[step - 1]?.phase ? [] : [[step, phase]]
  );
  const x = layAxis("latents in the stitched SAE", rows.map(({ latents }) => latents));
  const mse = layAxis("MSE: mean of Σ(x − x̂)²", rows.map((row) => row.mse));
  const l0 = layAxis("active latents per sample", rows.map((row) => row.l0));
  const figure = (title: string, y: PlacedAxis): FigureData => ({
    title: `${title} from the small SAE to the large one (Fig. 5)`,
    ...{ x: x.axis, y: y.axis },
    // The colour of a step is that of its phase.
    kinds: [["start", 5], ["novel latents inserted", 0], ["groups swapped", 1], [
      "rest of the small SAE removed",
      4,
    ]],
  });
  return {
    figures: { steps: rows.length, runs, mse: figure("MSE", mse), l0: figure("L0", l0) },
    bytes: join(
      packBytes(rows, ({ latents }) => x.at(latents)),
      packBytes(rows, (row) => mse.at(row.mse)),
      packBytes(rows, (row) => l0.at(row.l0)),
      STEP.pack(rows),
    ),
  };
}

function layMissing(table: Table) {
  const rows = table.map((row) => ({
    ...{ latent: Number(row.latent), activeSamples: Number(row.activeSamples) },
    ...{ smallInactive: Number(row.smallInactive), smallActive: Number(row.smallActive) },
    ...{ largeInactive: Number(row.largeInactive), largeActive: Number(row.largeActive) },
  }));
  const missed = (row: typeof rows[number]) =>
    row.smallActive / row.smallInactive - row.largeActive / row.largeInactive;
  const rare = ({ activeSamples }: typeof rows[number]) => Number(activeSamples < FEWEST);
  rows.sort((a, b) => rare(a) - rare(b) || missed(b) - missed(a) || a.latent - b.latent);
  return { count: rows.length, bytes: MISSING.pack(rows) };
}

function packBytes<T>(rows: readonly T[], at: (row: T) => number | undefined): Uint8Array {
  return new Uint8Array(packPlaces(rows.map(at)).buffer);
}

function join(...parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** The figure of several pairs: the path through all SAEs (Fig. 5). */
export async function chainPath(
  folder: ResultFolder,
  pairs: StitchingSummary["pairs"],
): Promise<FigureData[]> {
  const tables = await Promise.all(pairs.map(({ file }) => readTable(folder, `path_${file}.csv`)));
  const empty = tables.findIndex((table) => table.length === 0);
  if (empty >= 0) throw new Error(`path_${pairs[empty].file}.csv has no steps`);
  const count = (row: Record<string, string>) => Number(row.smallCount) + Number(row.largeCount);
  const all = tables.flat();
  const sizes = tables.flatMap((table) => [count(table[0]), count(table.at(-1)!)]);
  const isWide = Math.max(...sizes) >= 4 * Math.min(...sizes) && all.every((row) => count(row) > 0);
  const x = layAxis("latents in the stitched SAE", all.map(count), {
    ...{ log: isWide, ticks: isWide ? sizes : undefined },
  });
  return (["mse", "l0"] as const).map((name) => {
    const y = layAxis(
      name === "mse" ? "MSE: mean of Σ(x − x̂)²" : "active latents per sample",
      all.map((row) => Number(row[name])),
    );
    const phases = [["insert", 0, "novel latents inserted"], ["swap", 1, "groups swapped"], [
      "remove",
      4,
      "rest of the small SAE removed",
    ]] as const;
    return {
      title: `${name === "mse" ? "MSE" : "L0"} from SAE to SAE (Fig. 5)`,
      ...{ x: x.axis, y: y.axis },
      lines: tables.flatMap((table) =>
        phases.map(([phase, colour, label]) => {
          const from = table.findIndex((row) => row.phase === phase);
          if (from < 0) return undefined;
          // A phase begins where the previous one ends.
          const own = [table[from - 1], ...table.filter((row) => row.phase === phase)];
          const values = own.map((row) => [count(row), Number(row[name])] as const);
          return drawLine(x, y, values, { label, colour });
        }).filter((line) => line !== undefined)
      ),
    };
  });
}
