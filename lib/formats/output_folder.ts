import { dirname, join, relative, resolve } from "@std/path";
import { lockStore } from "../activations/lock_store.ts";
import { makeFolder } from "./make_run_folder.ts";
import { VERSION } from "../version.ts";
import { countParts } from "../files/part.ts";
import { removeLeftovers, replaceText } from "../files/replace_file.ts";
import {
  findRun,
  type FoundRun,
  listFiles,
  LOCK,
  MANIFEST,
  RUN_FILES,
  RUN_FOLDERS,
  type RunManifest,
  WORK,
  type WritingCommand,
} from "./run_files.ts";

/**
 * A folder that a run may not write to: it holds another run that would be lost, an input, or files of others.
 * Messages name the command line's `--overwrite`, which is `overwrite` here.
 */
export class OutputFolderError extends Error {
  /** The name shown in front of the message. */
  override name: string = "OutputFolderError";
}

/**
 * The output folder of one run, locked against other processes until it is disposed of.
 * `saewing.json` in it says which run that is, and lists its files.
 */
export interface OutputFolder extends Disposable {
  /** Its path. */
  path: string;
  /** Whether this continues the run that is there. */
  goesOn: boolean;
  /** Whether {@linkcode OutputFolder.start} was called. */
  started: boolean;
  /**
   * Removes the run that is replaced, and marks this one as started: from here on, until
   * {@linkcode OutputFolder.finish}, the folder says that its run is unfinished. Call it when all
   * inputs are checked, before the first file is written; a second call only adds files.
   *
   * @param files Files that the run may write.
   */
  start(files: string[]): Promise<void>;
  /** Writes text files by their names, which are listed first. */
  write(texts: Record<string, string>): Promise<void>;
  /** Removes files of this run. */
  remove(which: (name: string) => boolean): Promise<void>;
  /** Marks the run as finished, and lists the files that it has. */
  finish(): Promise<void>;
}

/** Options of {@linkcode openOutputFolder}. */
export interface OpenOutput {
  /** The command. */
  command: WritingCommand;
  /** Its options, for the manifest: plain JSON. */
  options: Record<string, unknown>;
  /** Whether a run that is there is replaced. */
  overwrite: boolean;
  /** Input paths. None may be part of what is replaced; missing ones are ignored. */
  inputs: string[];
  /** Whether to continue the run that is there. Not asked with `overwrite`. */
  goOn?: (found: FoundRun) => boolean;
  /** Files that the command replaces itself by a rename: they are kept until then. */
  keep?: RegExp;
  /** Whether the whole is written of parts that are there; otherwise a folder that has parts is refused. */
  merges?: boolean;
}

/**
 * Opens the folder of a run. Nothing in it is changed yet.
 *
 * @param out Its path, made where missing; a new folder below runs/ where it is not given.
 * @throws {OutputFolderError} It holds a run that would be lost, files of others in the place of this
 * command's, or an input; or it is part of another run's folder.
 * @throws {Error} It cannot be made or written, or another process works in it.
 */
export async function openOutputFolder(
  out: string | undefined,
  { command, options, overwrite, inputs, goOn, keep, merges = false }: OpenOutput,
): Promise<OutputFolder> {
  if (out !== undefined) await refusePartOfRun(out);
  if (out !== undefined && !merges) await refuseParts(out);
  const { path, isNew } = await makeFolder(out, command);
  const lock = await lockStore(path, LOCK);
  try {
    const present = await listFiles(path);
    const found = await findRun(path, present);
    const goesOn = found !== undefined && !overwrite && !found.halfReplaced &&
      goOn?.(found) === true;
    const before = found && !goesOn ? found.files : [];
    if (found && !goesOn && !overwrite) refuseLoss(path, found);
    refuseForeign(path, present, found, command, goesOn);
    const clears = before.filter((name) => !keep?.test(name));
    await refuseInputs(path, clears, inputs);

    let manifest: RunManifest = {
      format: "saewing run",
      version: 1,
      createdBy: `saewing ${VERSION}`,
      run: goesOn && found.manifest ? found.manifest.run : crypto.randomUUID(),
      command,
      options,
      started: goesOn && found.manifest ? found.manifest.started : new Date().toISOString(),
      files: goesOn ? found.files : before.filter((name) => keep?.test(name)),
    };
    const save = async (change: Partial<RunManifest>) => {
      manifest = { ...manifest, ...change };
      const text = JSON.stringify(manifest, undefined, 2) + "\n";
      await replaceText(join(path, MANIFEST), text);
    };
    const list = async (names: string[]) => {
      const wrong = names.find((name) => !RUN_FILES[command].test(name));
      if (wrong !== undefined) throw new Error(`${wrong} is not a file that ${command} writes`);
      const files = [...new Set([...manifest.files, ...names])];
      if (files.length > manifest.files.length) await save({ files });
    };
    let started = false;
    return {
      path,
      goesOn,
      get started() {
        return started;
      },
      async start(files) {
        if (!started) {
          started = true;
          await save(clears.length > 0 ? { clears } : {});
          await clear(path, clears);
          if (clears.length > 0) await save({ clears: undefined });
        }
        await list(files);
      },
      async write(texts) {
        await list(Object.keys(texts));
        for (const [name, text] of Object.entries(texts)) {
          await Deno.mkdir(dirname(join(path, name)), { recursive: true });
          await replaceText(join(path, name), text);
        }
      },
      async remove(which) {
        await clear(path, manifest.files.filter(which));
      },
      async finish() {
        const isOwn = (name: string) =>
          // A store lists its shards itself.
          command === "harvest" ? RUN_FILES.harvest.test(name) : manifest.files.includes(name);
        const files = (await listFiles(path)).filter(isOwn);
        await save({ files, finished: new Date().toISOString() });
      },
      [Symbol.dispose]() {
        lock[Symbol.dispose]();
        if (isNew && !started) removeNew(path, out);
      },
    };
  } catch (error) {
    lock[Symbol.dispose]();
    if (isNew) removeNew(path, out);
    throw error;
  }
}

/** Files of a run are at most two folders deep: `runs/sweep/topk_m64_k4_seed0/sae`. */
async function refusePartOfRun(out: string): Promise<void> {
  const full = resolve(out);
  for (const folder of [dirname(full), dirname(dirname(full))]) {
    const within = relative(folder, full).replaceAll("\\", "/");
    if (!RUN_FOLDERS.test(within)) continue;
    const found = await runAbove(folder);
    const files = found?.manifest?.files ?? found?.files ?? [];
    if (!found || !files.some((name) => name.startsWith(`${within}/`))) continue;
    throw new OutputFolderError(
      `${out} is part of what \`saewing ${found.command}\` wrote in ${folder}: take another folder`,
    );
  }
}

/** @throws {OutputFolderError} The folder is that of a run in parts, which a run in one piece would mix with. */
export async function refuseParts(out: string): Promise<void> {
  const count = await countParts(out);
  if (count === undefined) return;
  throw new OutputFolderError(
    `${out} holds a run in ${count} parts: \`saewing merge ${out}\` writes the whole. Take another folder`,
  );
}

async function runAbove(folder: string): Promise<FoundRun | undefined> {
  // Do not ask for permissions that the program does not have.
  if (Deno.permissions.querySync({ name: "read", path: folder }).state !== "granted") return;
  try {
    return await findRun(folder, await listFiles(folder));
  } catch {
    // It is not about this run.
    return undefined;
  }
}

/** @throws {OutputFolderError} The run is finished, or worth continuing. */
function refuseLoss(path: string, found: FoundRun): void {
  if (found.finished !== undefined) {
    const day = `${found.finished.slice(0, 10)} ${found.finished.slice(11, 16)} UTC`;
    const what = found.command === "convert" && !found.manifest
      ? `an SAE, written ${day}`
      : `what \`saewing ${found.command}\` finished ${day}`;
    throw new OutputFolderError(
      `${path} holds ${what}: take another folder, or --overwrite replaces it`,
    );
  }
  if (found.halfReplaced || !found.files.some((name) => WORK.test(name))) return;
  const run = found.command === "train" ? "run" : `run of \`saewing ${found.command}\``;
  throw new OutputFolderError(
    `${path} holds an unfinished ${run}: ${howToGoOn(path, found)}, --overwrite gives it up`,
  );
}

function howToGoOn(path: string, { command, files }: FoundRun): string {
  const same = "the command that began it continues it";
  return {
    train: files.includes("checkpoint/checkpoint.safetensors")
      ? `\`saewing train --resume ${path}\` continues it`
      : `\`--initial ${join(path, "sae")}\` starts from its SAE`,
    sweep: same,
    harvest: same,
    stitch: "take another folder",
    meta: `\`--meta ${join(path, "meta")}\` continues it`,
    convert: "take another folder",
    dashboard: "take another folder",
    probe: "take another folder",
    explore: "take another folder",
    explain: same,
  }[command];
}

/** @throws {OutputFolderError} Something that no run here wrote would be written over or into. */
function refuseForeign(
  path: string,
  present: string[],
  found: FoundRun | undefined,
  command: WritingCommand,
  goesOn: boolean,
): void {
  const own = new Set(found?.files);
  const foreign = present.find((name) => RUN_FILES[command].test(name) && !own.has(name));
  if (foreign !== undefined) {
    throw new OutputFolderError(
      `${
        join(path, foreign)
      } is not from a run that ${path} names, and would be written over: take ` +
        `another folder`,
    );
  }
  // Of a run that continues, somebody may have moved a folder to another disk.
  const link = present.find((name) => RUN_FOLDERS.test(name));
  if (link !== undefined && !goesOn) {
    throw new OutputFolderError(
      `${
        join(path, link)
      } is a link or a file, expected a folder or nothing: what it leads to is not ` +
        `written over. Take another folder`,
    );
  }
}

/** @throws {OutputFolderError} An input is, or holds, one of the files. */
async function refuseInputs(path: string, files: string[], inputs: string[]): Promise<void> {
  if (files.length === 0) return;
  const folder = await Deno.realPath(path);
  for (const input of inputs) {
    // An id of the hub, or a glob.
    const at = await Deno.realPath(input).catch(() => undefined);
    if (at === undefined) continue;
    const isHeld = files.some((name) => isWithin(join(folder, name), at));
    if (!isHeld) continue;
    throw new OutputFolderError(
      `${input} is read, and is part of the run in ${path} that would be replaced: take another folder`,
    );
  }
}

function isWithin(path: string, folder: string): boolean {
  return !relative(folder, path).startsWith("..");
}

/**
 * Removes files, and the folders below that are empty then. Of a link the link is removed, never what it
 * leads to.
 *
 * @throws {Error} One is not a file any more, or lies behind a link; nothing was removed.
 */
async function clear(path: string, files: string[]): Promise<void> {
  const folders = new Set<string>();
  for (const name of files) {
    for (let at = dirname(name); at !== "."; at = dirname(at)) folders.add(at);
    if ((await lstat(join(path, name)))?.isDirectory) {
      throw new Error(`${join(path, name)} is a folder, expected a file: it is not removed`);
    }
  }
  for (const folder of folders) {
    const info = await lstat(join(path, folder));
    if (info && !info.isDirectory) {
      throw new Error(`${join(path, folder)} is no folder: what it leads to is not removed`);
    }
  }
  for (const name of files) await Deno.remove(join(path, name)).catch(ignoreMissing);
  await removeLeftovers(path);
  for (const folder of [...folders].sort().reverse()) {
    await removeLeftovers(join(path, folder));
    removeIfEmpty(join(path, folder));
  }
}

/** Removes a new folder in which nothing was begun, and runs/ where that holds no other. */
function removeNew(path: string, out: string | undefined): void {
  removeIfEmpty(path);
  if (out === undefined) removeIfEmpty(dirname(path));
}

function removeIfEmpty(folder: string): void {
  try {
    Deno.removeSync(folder);
  } catch {
    // Others' files stay, and their folder with them.
  }
}

async function lstat(path: string): Promise<Deno.FileInfo | undefined> {
  return await Deno.lstat(path).catch(ignoreMissing);
}

function ignoreMissing(error: unknown): undefined {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}
