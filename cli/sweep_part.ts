import { join } from "@std/path";
import { type Part, partPaths, partText } from "../lib/files/part.ts";
import type { PartRecord } from "../lib/files/part_record.ts";
import { openOutputFolder } from "../lib/formats/output_folder.ts";
import { cellFiles, listFiles, RUN_FILES } from "../lib/formats/run_files.ts";
import { recordedSweepLimit } from "../lib/formats/sweep_folder.ts";
import type { SweepCell, SweepStore } from "../lib/sweep/mod.ts";
import { partOfGrid } from "../lib/sweep/part_of_grid.ts";
import { rowOf } from "../lib/sweep/sweep_row.ts";
import { sweepFolder } from "../mod.ts";
import type { Session } from "./command.ts";
import { openCommandDevice } from "./open.ts";
import { UsageError } from "./io.ts";
import type { Arguments } from "./options.ts";
import { type Merge, runPart } from "./part.ts";
import { checkEvalText, checkSameLimit, openActivationSource } from "./source.ts";
import {
  commonSettings,
  readDone,
  type SweepFacts,
  sweepFacts,
  trainCells,
  writeReport,
} from "./sweep_run.ts";

/** `saewing sweep --part`: trains and measures a share of the grid. */
export async function sweepPart(
  part: Part,
  given: Arguments,
  options: Arguments,
  grid: SweepCell[],
  session: Session,
): Promise<void> {
  const cells = ownCells(grid, part);
  await runPart(part, { command: "sweep", options: given }, session, async (work) => {
    const { folder, session: { io, output, signal }, check } = work;
    const recorded = await recordedSweepLimit(folder, cells.map(({ name }) => name));
    if (recorded) checkSameLimit(options, recorded, `${folder}: take another --out`);
    await using source = await openActivationSource(options, work.session, recorded, {
      besideTrainer: true,
    });
    await checkEvalText(options, await source.openModel(), source);
    const settings = commonSettings(source, options);
    const done = { trained: new Set<string>(), measured: new Set<string>() };
    const store = checkedStore(sweepFolder(folder, settings), check);
    await readDone(store, cells, done);
    using gpu = await openCommandDevice(options, io);
    output.say(
      `${cells.length} of ${grid.length} SAEs on ${source.model} at ${source.hook}, ` +
        `d = ${source.dModel}, on ${gpu.name}`,
    );
    const tell = () =>
      session.leaves({
        text: `of ${cells.length} SAEs of this part ${done.trained.size} are trained and ` +
          `${done.measured.size} measured, the same command continues`,
        data: { folder: work.out, saes: cells.length, trained: done.trained.size },
      });
    tell();
    await trainCells(gpu, source, {
      ...{ cells, grid, done, tell, store, options, settings, folder, signal },
    }, output);
    const names = (await listFiles(folder)).filter((name) => RUN_FILES.sweep.test(name));
    return { names, result: { grid, ...sweepFacts(gpu, source, settings) } };
  });
}

/** Writes what the sweep in one piece would have written: moves the SAEs, and makes tables, plots and page. */
export async function mergeSweep({ out, parts: { records }, session }: Merge): Promise<void> {
  const { grid } = records[0].result as unknown as { grid: SweepCell[] };
  refuseOtherGrids(out, records);
  const all = records.map(({ result }) => result as unknown as SweepFacts);
  // One device as a rule; where there were several, the page names all.
  const device = [...new Set(all.map(({ device }) => device))].join("; ");
  const { model, settings } = all[0];
  using folder = await openOutputFolder(out, {
    ...{ command: "sweep", options: { ...records[0].options, out: [out] }, overwrite: false },
    ...{ inputs: [], merges: true, goOn: ({ command }) => command === "sweep" },
  });
  await folder.start(grid.flatMap(({ name }) => cellFiles(name)));
  for (const { part } of records) {
    for (const { name } of ownCells(grid, part)) {
      await moveCell(partPaths(out, part).folder, out, name);
    }
  }
  const store = sweepFolder(out, settings);
  const rows = [];
  for (const cell of grid) {
    const state = await store.read(cell);
    if (!state?.measured) throw new Error(`${join(out, cell.name)} has no measures`);
    rows.push(rowOf(cell, state));
  }
  await writeReport(folder, grid, rows, { device, model, settings }, session);
}

/** Moves the files of an SAE one by one: its folder may be there, with what a run before has left. */
async function moveCell(from: string, to: string, name: string): Promise<void> {
  await Deno.mkdir(join(to, name, "sae"), { recursive: true });
  for (const file of cellFiles(name)) {
    await Deno.rename(join(from, file), join(to, file)).catch((error) => {
      // A merge before has moved it: all files were checked.
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    });
  }
  // What others put there stays.
  for (const folder of [join(name, "sae"), name]) {
    await Deno.remove(join(from, folder)).catch(() => {});
  }
}

/** @throws {Error} A record does not say which SAEs the sweep has, or says so otherwise than the first. */
function refuseOtherGrids(out: string, records: readonly PartRecord[]): void {
  const gridOf = ({ result }: PartRecord) => JSON.stringify(result.grid);
  for (const record of records) {
    const { grid, settings, model, device } = record.result;
    const isWhole = Array.isArray(grid) && grid.every((cell) => typeof cell?.name === "string") &&
      [settings, model].every((each) => typeof each === "object" && each !== null) &&
      typeof device === "string";
    if (isWhole && gridOf(record) === gridOf(records[0])) continue;
    const { done } = partPaths(out, record.part);
    throw new Error(
      `${done}: result is not that of the sweep's part ${
        partText(record.part)
      }: remove ${done} and run the part again`,
    );
  }
}

function ownCells(grid: SweepCell[], part: Part): SweepCell[] {
  try {
    return partOfGrid(grid, part);
  } catch (error) {
    throw new UsageError(`--part: ${(error as Error).message}`);
  }
}

/** A store that keeps nothing once another process has taken the part over. */
function checkedStore(store: SweepStore, check: () => Promise<void>): SweepStore {
  return {
    ...store,
    async saveCheckpoint(...args) {
      await check();
      await store.saveCheckpoint(...args);
    },
    async saveTrained(...args) {
      await check();
      return await store.saveTrained(...args);
    },
    async saveMeasured(...args) {
      await check();
      await store.saveMeasured(...args);
    },
  };
}
