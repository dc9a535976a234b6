import { createHash } from "node:crypto";
import { join } from "@std/path";
import { type Part, partPaths, partText } from "../lib/files/part.ts";
import { openSafetensors, writeSafetensors } from "../lib/formats/safetensors.ts";
import { collectDashboardPart, type CollectorState } from "../lib/interpretation/mod.ts";
import type { Sae } from "../mod.ts";
import type { Session } from "./command.ts";
import { contextsProgress } from "./describe.ts";
import { type DashboardInputs, openInputs, writeDashboards } from "./dashboard_run.ts";
import { UsageError } from "./io.ts";
import { openCommandDevice } from "./open.ts";
import { type Arguments, type GivenOptions, type OptionNames, parseArguments } from "./options.ts";
import { type Merge, runPart } from "./part.ts";
import { openNamingText } from "./source.ts";

const STATE = "state.safetensors";
const PROGRESS = "progress.safetensors";

/** Milliseconds between two writings of what was found so far: up to 150 MB for 16,384 latents. */
const SAVE_EVERY = 120_000;

/** `saewing dashboard --part`: collects from a share of the text. */
export async function dashboardPart(
  part: Part,
  given: Arguments,
  inputs: DashboardInputs,
  session: Session,
): Promise<void> {
  const { sae, folder: path, options, latents } = inputs;
  const run = { command: "dashboard", options: given, more: { SAE: [path] } };
  await runPart(part, run, session, async (work) => {
    const { folder, check, session: { io, output, signal } } = work;
    await using texts = (await openNamingText(options, sae, work.session, Infinity))!;
    using device = await openCommandDevice(options, io);
    const { source, model, tokenRows } = texts;
    output.say(
      `${latents?.length ?? sae.dictSize} latents, part ${partText(part)} of ${tokenRows.length} ` +
        `rows of ${source.contextLength} tokens, on ${device.name}`,
    );
    const facts = { ...hashesOf(sae, tokenRows), latents: latents?.join() ?? "all" };
    const progress = join(folder, PROGRESS);
    const before = await readState(progress);
    const isOwn = Object.entries(facts).every(([name, value]) => before?.facts[name] === value);
    if (before && !isOwn) {
      throw new UsageError(
        `${folder} holds a part that was begun with another SAE, text or latents: remove it, or take ` +
          `another --out`,
      );
    }
    let saved = io.now();
    let reached: { next: number; save: () => CollectorState } | undefined;
    const keep = async () => {
      if (!reached) return;
      await check();
      const state = { ...reached.save(), next: Uint32Array.of(reached.next) };
      await writeState(progress, state, facts);
      saved = io.now();
    };
    try {
      const state = await collectDashboardPart(device, model, sae, tokenRows, {
        ...{ part, latents, top: options.number("top"), perInterval: options.number("samples") },
        ...{ skipPositions: source.skipPositions, normLimit: source.normLimit, signal },
        resume: before && { state: before.state, next: before.state.next[0] },
        onProgress: contextsProgress(output, tokenRows.length),
        async onRun(next, save) {
          reached = { next, save: save! };
          if (io.now() - saved > SAVE_EVERY) await keep();
        },
      });
      await check();
      await writeState(join(folder, STATE), state, facts);
    } catch (error) {
      if (session.signal.aborted) await keep();
      throw error;
    }
    await Deno.remove(progress).catch(() => {});
    return { names: [STATE], result: facts };
  });
}

/** Writes the dashboards that one pass over all texts would have given. */
export async function mergeDashboard(
  { out, parts: { records }, session }: Merge,
  names: OptionNames,
): Promise<void> {
  const { SAE, ...given } = records[0].options as Record<string, string[]> & GivenOptions;
  const args = Object.entries(given).flatMap(([name, value]) =>
    value === true ? [`--${name}`] : (value as string[]).map((each) => `--${name}=${each}`)
  );
  const options = parseArguments([...SAE, ...args, `--out=${out}`], names);
  const inputs = await openInputs(options, session);
  await writeDashboards(options, session, inputs, {
    async read(sae, tokenRows) {
      const states: CollectorState[] = [];
      for (const { part, result } of records) {
        const { sae: own, tokens } = hashesOf(sae, tokenRows);
        for (const [what, found] of [["sae", own], ["tokens", tokens]] as const) {
          if (result[what] === found) continue;
          throw new Error(
            `part ${partText(part)} is of another ${what === "sae" ? "SAE" : "text"} than ${
              what === "sae" ? SAE[0] : "what --text names"
            } holds now: put back what it was, or run all parts again`,
          );
        }
        states.push((await readState(join(partPaths(out, part).folder, STATE)))!.state);
      }
      return states;
    },
  });
}

function hashesOf(sae: Sae, tokenRows: readonly Int32Array[]): { sae: string; tokens: string } {
  const hash = (arrays: Iterable<Float32Array | Int32Array | undefined>) => {
    const sha = createHash("sha256");
    for (const each of arrays) {
      if (each) sha.update(new Uint8Array(each.buffer, each.byteOffset, each.byteLength));
    }
    return sha.digest("hex");
  };
  const { wEnc, bEnc, wDec, bDec, threshold } = sae;
  return { sae: hash([wEnc, bEnc, wDec, bDec, threshold]), tokens: hash(tokenRows) };
}

async function writeState(
  path: string,
  state: CollectorState,
  facts: Record<string, string>,
): Promise<void> {
  const tensors = Object.fromEntries(
    Object.entries(state).map(([name, data]) => [name, { shape: [data.length], data }]),
  );
  await writeSafetensors(path, tensors, facts);
}

/** What {@linkcode writeState} wrote; undefined where there is nothing. */
async function readState(
  path: string,
): Promise<{ state: CollectorState; facts: Record<string, string> } | undefined> {
  if (!await Deno.stat(path).catch(() => undefined)) return undefined;
  await using file = await openSafetensors(path);
  const state: CollectorState = {};
  for (const [name, { dtype, shape }] of file.tensors) {
    const kind = { F32: Float32Array, F64: Float64Array, U32: Uint32Array }[dtype as string];
    if (!kind) throw new Error(`${name} is ${dtype}, expected F32, F64 or U32, in ${path}`);
    state[name] = new kind(shape[0]);
    await file.read(name, 0, state[name]);
  }
  return { state, facts: file.metadata };
}
