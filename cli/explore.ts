import { basename, join } from "@std/path";
import {
  folderReader,
  type ModelFiles,
  modelFiles,
  type OwnFiles,
  ownFiles,
  type PageTexts,
  type ResultFolder,
  type Served,
  type SiteFile,
  siteFiles,
  siteHandler,
  type SiteSource,
} from "../lib/explorer/mod.ts";
import { readDocuments } from "../mod.ts";
import type { Command, Session } from "./command.ts";
import { sortFolders } from "./explore_folders.ts";
import { openSae, saeSource } from "./open.ts";
import { UsageError } from "./io.ts";
import { type Arguments, checkOptions, helpOf, type Options, shared } from "./options.ts";
import type { Output } from "./output.ts";
import { openOutputFolder } from "../lib/formats/output_folder.ts";
import { findRun, listFiles } from "../lib/formats/run_files.ts";

const OPTIONS: Options = [
  ["What it writes", [
    shared("out", "where the site goes (default runs/explore-<date>; with --serve: nowhere)"),
    shared("overwrite"),
    { name: "serve", help: "shows the site on this machine until Ctrl-C" },
    { name: "port", value: "N", help: "port of --serve (default 8000)", least: 0 },
  ]],
  ["Own text and training in the page", [
    { name: "no-own-text", help: "leaves out the pages that encode own text and that train" },
    shared("model", "default: the model that the SAE's config names"),
    shared("hook", "without FOLDER: where the activations are taken"),
    {
      name: "text",
      value: "FILE",
      help:
        "text that the page trains on, its first 200,000 characters (default: that of the first FOLDER); may be repeated",
    },
    shared("field"),
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
  saewing explore --model MODEL --hook HOOK --text FILE [options]

FOLDER is what \`saewing dashboard\` wrote; beside such folders, what \`stitch\`, \`sweep\`, \`train\`
or \`meta\` wrote of the same SAEs: pairs, sweeps, measures and claims come to the site. SAEs are matched
by their decoder rows. Without FOLDER the site is one page, which trains a small SAE and shows how its
latents form. Any web server shows the site; it needs no program, database or other host. For own text
and training it holds 14 MB of ONNX Runtime, the model's layers up to the hook, and the SAE's weights.`,
  OPTIONS,
  `Examples
  saewing explore runs/dashboards --serve
  saewing explore runs/dashboards-512 runs/dashboards-2048 runs/stitch runs/sweep --out site
  saewing explore --model examples/tiny-gpt2 --hook blocks.2.hook_resid_pre --text runs/demo/held-out.jsonl --serve`,
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
    if (folders.length === 0 && options.text("model") === undefined) {
      throw new UsageError(
        "the folder of dashboards is missing, or --model for a page that trains",
      );
    }
    const serves = options.flag("serve");
    const port = options.number("port") ?? 8000;
    if (port > 65535) throw new UsageError(`--port is ${port}, expected at most 65535`);
    const sources: SiteSource[] = [];
    const models = new Map<string, Promise<ModelFiles>>();
    const openModel = (id: string, hook: string, texts: string[]) => {
      const key = `${id} ${hook}`;
      const known = models.get(key) ?? readModel({ id, hook, texts }, options, session);
      models.set(key, known);
      return known;
    };
    const { dashboards, results } = await sortFolders(folders, options, session);
    for (const folder of dashboards) {
      const read = folderReader(folder);
      sources.push({ read, own: await openOwn(folder, { options, session, openModel }) });
    }
    if (folders.length === 0) {
      await openModel(options.required("model"), options.required("hook"), options.texts("text"));
    }
    const files = () => allFiles(sources, models, results);
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
      for await (const file of files()) {
        signal.throwIfAborted();
        const path = join(out.path, file.name);
        await out.start([file.name]);
        await Deno.mkdir(join(path, ".."), { recursive: true });
        if ("bytes" in file) await Deno.writeFile(path, file.bytes);
        else await Deno.copyFile(join(dashboards[file.source], file.file), path);
        bytes += (await Deno.stat(path)).size;
        served.set(file.name, path);
        output.progress({ phase: `writing ${file.name}`, done: served.size });
      }
      await out.finish();
      written = out.path;
      output.say(`${out.path}: ${served.size} files, ${(bytes / 1e6).toFixed(1)} MB`);
      output.result({ folder: out.path, files: served.size, bytes });
    } else {
      for await (const file of files()) {
        served.set(
          file.name,
          "bytes" in file ? file.bytes : join(dashboards[file.source], file.file),
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
async function* allFiles(
  sources: SiteSource[],
  models: Map<string, Promise<ModelFiles>>,
  results: ResultFolder[],
): AsyncGenerator<SiteFile> {
  // A model that cannot be read is left out; it was looked for once, however many folders are of it.
  const opened = (await Promise.allSettled(models.values()))
    .flatMap((model) => model.status === "fulfilled" ? [model.value] : []);
  // What could be missing is read before the first file is given.
  const runtime = opened.length > 0 ? await Array.fromAsync(runtimeFiles()) : [];
  yield* siteFiles(sources, opened, results);
  yield* runtime;
}

/**
 * ONNX Runtime for the page, in the version of deno.json: the published package has no import map, by which
 * `import.meta.resolve` would find shorter names.
 */
export const PACKAGE = "npm:onnxruntime-web@1.31.0-dev.20260914-8d85527a0";

// One thread and no GPU: 14 MB; the runtime's variants with WebGPU have 17 to 28.
const RUNTIME: [name: string, file: string][] = [
  ["ort/ort.mjs", `${PACKAGE}/wasm`],
  ["ort/ort.wasm", `${PACKAGE}/ort-wasm-simd-threaded.wasm`],
];

/**
 * The files of ONNX Runtime that a page runs a model with.
 *
 * @throws {Error} They are not on this machine and cannot be fetched.
 */
export async function* runtimeFiles(): AsyncGenerator<SiteFile> {
  // Only packages that a module imports have files on this machine; this module only defines a function.
  await import("onnxruntime-web/ort-wasm-simd-threaded.mjs");
  for (const [name, file] of RUNTIME) {
    const address = import.meta.resolve(file);
    if (!address.startsWith("file:")) {
      throw new Error(
        `ONNX Runtime for the page is at ${address}, expected a file of this machine: ` +
          "--no-own-text makes a site without it",
      );
    }
    yield { name, bytes: await Deno.readFile(new URL(address)) };
  }
}

/** What encodes own text: model and SAE, as the dashboards' own run names them. */
async function openOwn(
  folder: string,
  { options, session, openModel }: {
    options: Arguments;
    session: Session;
    openModel: (id: string, hook: string, texts: string[]) => Promise<ModelFiles>;
  },
): Promise<OwnFiles | undefined> {
  if (options.flag("no-own-text")) return undefined;
  const found = await findRun(folder, await listFiles(folder));
  const from = found?.manifest?.options.SAE;
  try {
    if (!Array.isArray(from)) throw new Error("it does not say which SAE it is of");
    const sae = await openSae(from[0], options, session);
    const run = found!.manifest!.options;
    const named = (name: string) => Array.isArray(run[name]) ? run[name] : [];
    const source = options.withDefaults(saeSource(options, sae, from[0]));
    const model = options.text("model") ?? named("model")[0] ?? source.text("model");
    const hook = named("hook")[0] ?? sae.metadata.hook;
    if (model === undefined || typeof hook !== "string") {
      throw new Error("it does not say which model and hook it is of");
    }
    const texts = options.texts("text");
    return ownFiles(sae, await openModel(model, hook, texts.length > 0 ? texts : named("text")));
  } catch (error) {
    session.signal.throwIfAborted();
    const reason = (error as Error).message;
    session.output.warn(`${folder}: no page for own text: ${reason}`, { folder, reason });
    return undefined;
  }
}

async function readModel(
  { id, hook, texts }: { id: string; hook: string; texts: string[] },
  options: Arguments,
  { output, signal }: Session,
): Promise<ModelFiles> {
  output.progress({ phase: `reading ${id}`, done: 0 });
  return await modelFiles(id, hook, {
    ...{ cacheDir: options.text("cache-dir"), revision: options.text("revision"), signal },
    texts: await readPageTexts(texts, options, output),
  });
}

// 50,000 tokens of English: what 200 steps of 256 see once. Many beginnings are better than one long document.
const [MOST_CHARACTERS, MOST_OF_ONE] = [200_000, 4_000];

/** Text to train on in the page; a page without it asks for the reader's own. */
async function readPageTexts(
  files: string[],
  options: Arguments,
  output: Output,
): Promise<PageTexts | undefined> {
  const documents: string[] = [];
  let characters = 0;
  try {
    const all = files.length > 0 ? readDocuments(files, { field: options.text("field") }) : [];
    for await (const document of all) {
      let text = "";
      for await (const part of typeof document === "string" ? [document] : document) {
        text += part;
        if (text.length >= MOST_OF_ONE) break;
      }
      text = text.slice(0, MOST_OF_ONE).toWellFormed();
      documents.push(text);
      characters += text.length;
      if (characters >= MOST_CHARACTERS) break;
    }
  } catch (error) {
    // What the reader named has to be there; what a run once read may be gone.
    if (options.texts("text").length > 0) throw error;
    const reason = (error as Error).message;
    output.warn(`no text to train on in the page: ${reason}`, { reason });
    return undefined;
  }
  if (documents.length === 0) return undefined;
  return { name: files.map((file) => basename(file)).join(" "), documents };
}
