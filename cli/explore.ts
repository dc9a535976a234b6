import { join } from "@std/path";
import {
  folderReader,
  type Served,
  type SiteFile,
  siteFiles,
  siteHandler,
  type SiteSource,
} from "../lib/explorer/mod.ts";
import { type ModelFiles, modelFiles, type OwnFiles, ownFiles } from "../lib/explorer/mod.ts";
import type { Command, Session } from "./command.ts";
import { openSae, saeSource } from "./open.ts";
import {
  type Arguments,
  checkOptions,
  helpOf,
  type OptionTable,
  shared,
  UsageError,
} from "./options.ts";
import { openOutputFolder } from "../lib/formats/output_folder.ts";
import { findRun, listFiles } from "../lib/formats/run_files.ts";

const OPTIONS: OptionTable = [
  ["What it writes", [
    shared("out", "where the site goes (default runs/explore-<date>; with --serve: nowhere)"),
    shared("overwrite"),
    { name: "serve", help: "shows the site on this machine until Ctrl-C" },
    { name: "port", value: "N", help: "port of --serve (default 8000)", least: 0 },
  ]],
  ["Own text", [
    { name: "no-own-text", help: "leaves out the page that encodes the reader's own text" },
    shared("model", "default: the model that the SAE's config names"),
    shared("revision"),
    shared("cache-dir"),
  ]],
  ["Messages", [shared("quiet"), shared("json")]],
];

const HELP = helpOf(
  `Writes the explorer: a site of static files on which latents, meta-latents and neighbouring SAEs
are walked through and searched, and the reader's own text is encoded.

Usage
  saewing explore FOLDER… [options]

FOLDER is what \`saewing dashboard\` wrote. Any web server shows the site; it needs no program, database
or other host. Model and SAE come with it for the reader's own text: 14 MB of ONNX Runtime, the
model's layers up to the hook, the SAE's weights.`,
  OPTIONS,
  `Examples
  saewing explore runs/dashboards --serve
  saewing explore runs/dashboards-512 runs/dashboards-2048 --out site`,
);

/** `saewing explore`. */
export const explore: Command = {
  summary: "write a site to explore latents in a browser",
  help: HELP,
  options: OPTIONS,
  async run(options, session) {
    const { output, signal } = session;
    const folders = options.positional;
    checkOptions(options, OPTIONS, Infinity);
    if (folders.length === 0) throw new UsageError("the folder of dashboards is missing");
    const serves = options.flag("serve");
    const port = options.number("port") ?? 8000;
    if (port > 65535) throw new UsageError(`--port is ${port}, expected at most 65535`);
    const sources: SiteSource[] = [];
    const models = new Map<string, ModelFiles>();
    for (const folder of folders) {
      const read = folderReader(folder);
      sources.push({ read, own: await openOwn(folder, options, session, models) });
    }
    const served = new Map<string, Served>();
    let written = "";
    if (!serves || options.text("out") !== undefined) {
      using out = await openOutputFolder(options.text("out"), {
        command: "explore",
        options: { ...options.given, FOLDER: folders },
        overwrite: options.flag("overwrite"),
        inputs: folders,
      });
      let bytes = 0;
      for await (const file of allFiles(sources)) {
        signal.throwIfAborted();
        const path = join(out.path, file.name);
        await out.start([file.name]);
        await Deno.mkdir(join(path, ".."), { recursive: true });
        if ("bytes" in file) await Deno.writeFile(path, file.bytes);
        else await Deno.copyFile(join(folders[file.source], file.file), path);
        bytes += (await Deno.stat(path)).size;
        served.set(file.name, path);
        output.progress({ phase: `writing ${file.name}`, done: served.size });
      }
      await out.finish();
      written = out.path;
      output.say(`${out.path}: ${served.size} files, ${(bytes / 1e6).toFixed(1)} MB`);
      output.result({ folder: out.path, files: served.size, bytes });
    } else {
      for await (const file of allFiles(sources)) {
        served.set(
          file.name,
          "bytes" in file ? file.bytes : join(folders[file.source], file.file),
        );
      }
    }
    if (serves) await serve(served, port, written, session);
  },
};

async function serve(
  files: Map<string, Served>,
  port: number,
  folder: string,
  { output, signal, leaves }: Session,
): Promise<void> {
  const server = Deno.serve(
    { hostname: "127.0.0.1", port, signal, onListen() {} },
    siteHandler(files),
  );
  leaves({ text: folder === "" ? "nothing was written" : `the site is in ${folder}` });
  const address = `http://127.0.0.1:${server.addr.port}/`;
  output.say(`the explorer is at ${address} until Ctrl-C`);
  output.result({ address });
  await server.finished;
}

/** A site's files, ONNX Runtime's for the page among them. */
async function* allFiles(sources: SiteSource[]): AsyncGenerator<SiteFile> {
  yield* siteFiles(sources);
  if (sources.some(({ own }) => own)) yield* runtimeFiles();
}

// One thread and no GPU: 14 MB; the runtime's variants with WebGPU have 17 to 28.
const RUNTIME: [name: string, file: string][] = [
  ["ort/ort.mjs", "onnxruntime-web/wasm"],
  ["ort/ort.wasm", "onnxruntime-web/ort-wasm-simd-threaded.wasm"],
];

/** The files of ONNX Runtime that a page runs a model with. */
export async function* runtimeFiles(): AsyncGenerator<SiteFile> {
  // Only packages that a module imports have files on this machine; this module only defines a function.
  await import("onnxruntime-web/ort-wasm-simd-threaded.mjs");
  for (const [name, file] of RUNTIME) {
    yield { name, bytes: await Deno.readFile(new URL(import.meta.resolve(file))) };
  }
}

/**
 * What encodes own text: model and SAE, as the dashboards' own run names them.
 *
 * @param models Models that are read, which SAEs of one hook share.
 */
async function openOwn(
  folder: string,
  options: Arguments,
  session: Session,
  models: Map<string, ModelFiles>,
): Promise<OwnFiles | undefined> {
  if (options.flag("no-own-text")) return undefined;
  const found = await findRun(folder, await listFiles(folder));
  const from = found?.manifest?.options.SAE;
  try {
    if (!Array.isArray(from)) throw new Error("it does not say which SAE it is of");
    const sae = await openSae(from[0], options, session);
    const run = found!.manifest!.options;
    const named = (name: string) => Array.isArray(run[name]) ? run[name][0] : undefined;
    const source = options.withDefaults(saeSource(options, sae, from[0]));
    const model = options.text("model") ?? named("model") ?? source.text("model");
    const hook = named("hook") ?? sae.metadata.hook;
    if (model === undefined || typeof hook !== "string") {
      throw new Error("it does not say which model and hook it is of");
    }
    const key = `${model} at ${hook}`;
    if (!models.has(key)) {
      session.output.progress({ phase: `reading ${model}`, done: 0 });
      const from = { cacheDir: options.text("cache-dir"), revision: options.text("revision") };
      models.set(key, await modelFiles(model, hook, { ...from, signal: session.signal }));
    }
    return ownFiles(sae, models.get(key)!);
  } catch (error) {
    session.signal.throwIfAborted();
    const reason = (error as Error).message;
    session.output.warn(`${folder}: no page for own text: ${reason}`, { folder, reason });
    return undefined;
  }
}
