import { dirname, join } from "@std/path";
import { type LatentLabel, readExplanations } from "../lib/formats/explanation_file.ts";
import { nameSaes } from "../lib/formats/name_saes.ts";
import {
  checkNeuronpediaSource,
  type DashboardExtras,
  type DashboardFile,
  dashboardFiles,
  type DashboardRecord,
  neuronpediaFiles,
  type NeuronpediaSource,
} from "../lib/explorer/mod.ts";
import {
  collectDashboards,
  type CollectorState,
  countTokenRows,
  labelMetaLatents,
  type LatentDashboard,
  type LatentLogits,
  latentLogits,
  tokenLabel,
} from "../lib/interpretation/mod.ts";
import { decompose } from "../lib/meta/mod.ts";
import { decoderDigest } from "../lib/meta/rows_digest.ts";
import { latentPage, latentPageName } from "../lib/report/mod.ts";
import type { LanguageModel, Sae } from "../mod.ts";
import type { Session } from "./command.ts";
import { contextsProgress, describeSource } from "./describe.ts";
import { inputPaths, openCommandDevice, openSae, saePath, saeSource } from "./open.ts";
import { UsageError } from "./io.ts";
import { type Arguments, readLatents } from "./options.ts";
import { openOutputFolder } from "../lib/formats/output_folder.ts";
import { givenNormLimit, openNamingText } from "./source.ts";

/** What dashboards are made of, before texts and model are opened. */
export interface DashboardInputs {
  /** Paths of the SAE and of others. */
  folder: string;
  folders: string[];
  sae: Sae;
  others: Sae[];
  /** Their names. */
  name: string;
  names: string[];
  meta: Sae | undefined;
  /** The options, with what the SAE's config says. */
  options: Arguments;
  latents: number[] | undefined;
}

/**
 * Checks options and opens the SAEs that they name.
 *
 * @throws {UsageError} Options do not fit.
 */
export async function openInputs(given: Arguments, session: Session): Promise<DashboardInputs> {
  const [path] = given.positional;
  if (!path) throw new UsageError("the SAE is missing");
  givenNormLimit(given);
  if (given.flag("pages") && given.text("latents") === undefined) {
    throw new UsageError("--pages writes a page per latent: name them with --latents");
  }
  const [folder, ...folders] = await Promise.all([path, ...given.texts("with")].map(saePath));
  const load = (from: string) => openSae(from, given, session);
  const [sae, ...others] = await Promise.all([folder, ...folders].map(load));
  const [name, ...names] = nameSaes([folder, ...folders]);
  const meta = given.text("meta") === undefined ? undefined : await load(given.text("meta")!);
  const options = given.withDefaults(saeSource(given, sae, folder));
  const latents = readLatents(options, sae.dictSize);
  return { folder, folders, sae, others, name, names, meta, options, latents };
}

/** What was collected in parts, which takes the place of the pass over the texts. */
export interface MergedParts {
  /**
   * Reads the parts in order.
   *
   * @throws {Error} They are of another SAE or text.
   */
  read(sae: Sae, tokenRows: readonly Int32Array[]): Promise<CollectorState[]>;
}

/** Writes dashboards. */
export async function writeDashboards(
  given: Arguments,
  session: Session,
  inputs: DashboardInputs,
  merges?: MergedParts,
): Promise<void> {
  const { io, output, signal } = session;
  const { folder, folders, sae, others, name, names, meta, options, latents } = inputs;
  const labels = readLabels(given.text("labels"), sae.dictSize);
  const metaPath = given.text("meta-labels");
  if (metaPath !== undefined && !meta) throw new UsageError("--meta-labels needs --meta");
  const metaLabels = readLabels(metaPath, meta?.dictSize ?? 0, "metaLatent");
  const onSite = given.flag("neuronpedia") ? neuronpediaSource(options, sae) : undefined;
  using out = await openOutputFolder(options.text("out"), {
    command: "dashboard",
    options: { ...options.given, SAE: [folder] },
    overwrite: options.flag("overwrite"),
    merges: merges !== undefined,
    goOn: ({ command }) => merges !== undefined && command === "dashboard",
    inputs: [folder, ...folders, ...inputPaths(options)],
  });
  await using texts = (await openNamingText(options, sae, session, Infinity))!;
  using device = await openCommandDevice(options, io);
  const { source, model, tokenRows } = texts;
  const total = tokenRows.length;
  output.say(
    `${latents?.length ?? sae.dictSize} latents of ${name}, ${total} rows of ` +
      `${source.contextLength} tokens, on ${device.name}`,
  );
  const started = performance.now();
  const decomposition = meta && await decompose(device, meta, sae);
  const dashboards = await collectDashboards(device, model, sae, tokenRows, {
    latents,
    top: options.number("top"),
    perInterval: options.number("samples"),
    neighbours: options.number("neighbours"),
    others: others.map((sae, i) => ({ name: names[i], sae })),
    decomposition,
    ...{ skipPositions: source.skipPositions, normLimit: source.normLimit, signal },
    parts: await merges?.read(sae, tokenRows),
    onProgress: contextsProgress(output, total),
  });
  const logits = await findLogits(model, sae, dashboards.latents, options, session);
  const background = countTokenRows(model, tokenRows);
  const near = others.map(async (other, i) => ({
    ...{ name: names[i], decoderDigest: await decoderDigest(other) },
  }));
  const about = {
    sae: {
      ...{ name, architecture: sae.architecture, dModel: sae.dModel, dictSize: sae.dictSize },
      ...{ k: sae.k, source: describeSource(sae), meta: given.text("meta") },
      ...{ decoderDigest: await decoderDigest(sae), with: await Promise.all(near) },
    },
    model: { id: model.id, hook: model.hook },
    texts: { dataset: source.dataset, normLimit: source.normLimit },
  };
  const labelOf = (dashboard: LatentDashboard): DashboardRecord["label"] => {
    const given = labels.get(dashboard.latent);
    if (given) return given;
    const { text } = tokenLabel(dashboard, background);
    return text === "" ? undefined : { text, source: "tokens" };
  };
  const extras = (dashboard: LatentDashboard): DashboardExtras => {
    const label = labelOf(dashboard);
    return { ...logitExtras(logits?.get(dashboard.latent)), ...(label && { label }) };
  };
  let bytes = 0;
  const write = async ({ name, bytes: contents }: DashboardFile) => {
    await out.start([name]);
    await Deno.mkdir(dirname(join(out.path, name)), { recursive: true });
    await Deno.writeFile(join(out.path, name), contents);
    bytes += contents.length;
  };
  const onProgress = output.progress;
  const { samples, correlated } = dashboards;
  if (given.flag("pages")) {
    const pages = new Set(dashboards.latents);
    const facts = [`${model.id} at ${model.hook}`, `texts: ${source.dataset}`];
    for (const latent of dashboards.latents) {
      const dashboard = dashboards.read(latent);
      const html = await latentPage({
        ...{ dashboard, logits: logits?.get(latent), label: labelOf(dashboard) },
        ...{ sae: name, samples, correlated, facts, pages },
      });
      const bytes = new TextEncoder().encode(html);
      await write({ name: `pages/${latentPageName(latent)}`, bytes });
    }
  }
  if (onSite) {
    const own = { ...onSite, dataset: source.dataset };
    const logitsOf = (latent: number) => logits?.get(latent);
    const files = neuronpediaFiles(dashboards, sae, own, {
      logits: logitsOf,
      signal,
      onProgress,
    });
    for await (const file of files) await write({ ...file, name: `neuronpedia/${file.name}` });
  }
  if (decomposition) {
    const words = new Map<number, string>();
    for (const latent of dashboards.latents) {
      words.set(latent, labelOf(dashboards.read(latent))?.text ?? "");
    }
    for (
      const { metaLatent, text, source } of labelMetaLatents(
        decomposition,
        dashboards,
        words,
        background,
      )
    ) {
      if (text !== "" && !metaLabels.has(metaLatent)) {
        metaLabels.set(metaLatent, { text, source });
      }
    }
  }
  const files = dashboardFiles(dashboards, about, extras, { metaLabels, signal, onProgress });
  // Last, so that a folder with its dashboard.json is whole.
  for await (const file of files) await write(file);
  await out.finish();
  const seconds = (performance.now() - started) / 1000;
  output.say(`${out.path}: ${(bytes / 1e6).toFixed(1)} MB, ${seconds.toFixed(1)} s`);
  output.result({
    ...{ folder: out.path, latents: dashboards.latents.length, samples, correlated },
    ...{ bytes, seconds },
  });
}

/** Labels from a file, by latent or meta-latent; none where it is not given. */
function readLabels(
  path: string | undefined,
  count: number,
  key: "latent" | "metaLatent" = "latent",
): Map<number, LatentLabel> {
  const labels = path === undefined ? new Map() : readExplanations(path, key);
  const wrong = [...labels.keys()].find((latent) => latent >= count);
  if (wrong === undefined) return labels;
  throw new UsageError(`${path} is of another SAE: it has ${key} ${wrong}, this one ${count}`);
}

/** Logits by latent; undefined where they are not wanted or the model has no unembedding. */
async function findLogits(
  model: LanguageModel,
  sae: Sae,
  latents: Uint32Array,
  options: Arguments,
  { output, signal }: Session,
): Promise<Map<number, LatentLogits> | undefined> {
  if (options.flag("no-logits")) return undefined;
  const total = latents.length;
  try {
    const found = await latentLogits(model, sae, latents, {
      finalNorm: options.flag("final-norm"),
      onProgress: ({ done }) => output.progress({ phase: "logits of latents", done, total }),
      signal,
    });
    return new Map(found.map((each) => [each.latent, each]));
  } catch (error) {
    signal.throwIfAborted();
    const reason = (error as Error).message;
    output.warn(`no logits of latents: ${reason}`, { warning: "no logits", reason });
    return undefined;
  }
}

function logitExtras(logits: LatentLogits | undefined): DashboardExtras {
  if (!logits) return {};
  const { promoted, suppressed, histogram: { low, high, counts } } = logits;
  const pairs = (tokens: LatentLogits["promoted"]) =>
    tokens.map(({ text, logit }): [string, number] => [text, Number(logit.toPrecision(5))]);
  return {
    logits: {
      ...{ promoted: pairs(promoted), suppressed: pairs(suppressed) },
      histogram: { low, high, counts: [...counts] },
    },
  };
}

/** Names under which Neuronpedia shows the SAE; invalid ones are an error before any work. */
function neuronpediaSource(options: Arguments, { dictSize }: Sae): NeuronpediaSource {
  const hook = options.text("hook") ?? "";
  const own = (options.text("model") ?? "").split("/").at(-1)!.replace(/[^\w-]+/g, "-");
  const source = {
    model: options.text("neuronpedia-model") ?? own,
    set: options.text("neuronpedia-set") ?? `saewing-m${dictSize}`,
    hook,
  };
  try {
    checkNeuronpediaSource(source);
  } catch (error) {
    throw new UsageError(`--neuronpedia: ${(error as Error).message}`);
  }
  return source;
}
