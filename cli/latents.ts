import {
  type DashboardReader,
  folderReader,
  type FoundLatent,
  openDashboards,
  searchDashboards,
} from "../lib/explorer/mod.ts";
import { type LatentLabel, readExplanations } from "../lib/formats/explanation_file.ts";
import { activeLatents, type TokenLatents } from "../lib/interpretation/mod.ts";
import type { Command, Session } from "./command.ts";
import { openCommandDevice, openModel, openSae, saePath, saeSource } from "./open.ts";
import { UsageError } from "./io.ts";
import { type Arguments, checkOptions, group, helpOf, type Options, shared } from "./options.ts";
import { sayBosInFront } from "./source.ts";

const OPTIONS: Options = [
  ["Latents that are active in a text", [
    shared("model", "default: the model that the SAE's config names"),
    shared("hook", "default: the hook that the SAE's config names"),
    ...group("loading"),
    { name: "labels", value: "FILE", help: "explanations.jsonl of `saewing explain`, for labels" },
    { name: "dashboards", value: "FOLDER", help: "what `saewing dashboard` wrote, for labels" },
  ]],
  ["Search in dashboards", [
    { name: "find-token", value: "TOKEN", help: "latents that are active on this token" },
    { name: "find-text", value: "TEXT", help: "latents that are active in this stretch of text" },
    { name: "find-label", value: "WORDS", help: "latents whose label has all these words" },
  ]],
  ["What is shown", [
    {
      name: "most",
      value: "N",
      help: "latents per token (default 5), or found ones (default 20)",
      least: 1,
    },
    ...group("last"),
  ]],
];

const HELP = helpOf(
  `Shows which latents are active in a text, token by token, with their activations and labels; or searches
dashboards for latents.

Usage
  saewing latents SAE TEXT [options]
  saewing latents DASHBOARDS --find-token TOKEN [options]

DASHBOARDS is a folder that \`saewing dashboard\` wrote. Of several conditions all have to hold; upper and
lower case are the same. Found latents are sorted by the share of their contexts that fit.`,
  OPTIONS,
  `Examples
  saewing latents runs/m2048/sae "The king of France" --dashboards runs/dashboards
  saewing latents runs/dashboards --find-token king`,
);

const FINDS = ["find-token", "find-text", "find-label"];

/** `saewing latents`. */
export const latents: Command = {
  summary: "show which latents are active in a text, or search dashboards",
  help: HELP,
  options: OPTIONS,
  async run(given, session) {
    const searches = FINDS.some((name) => given.text(name) !== undefined);
    checkOptions(given, OPTIONS, searches ? 1 : 2);
    const [path, text] = given.positional;
    if (!path) throw new UsageError(searches ? "the dashboards are missing" : "the SAE is missing");
    if (searches) return await search(path, given, session);
    if (!text) {
      throw new UsageError("the text is missing, or --find-token, --find-text, --find-label");
    }
    if (given.text("labels") && given.text("dashboards")) {
      throw new UsageError("--labels does not go with --dashboards: labels come from one of them");
    }
    await show(path, text, given, session);
  },
};

async function show(path: string, text: string, given: Arguments, session: Session): Promise<void> {
  const { output, io } = session;
  const folder = await saePath(path);
  const sae = await openSae(folder, given, session);
  sayBosInFront(session, [sae]);
  const options = given.withDefaults(saeSource(given, sae, folder));
  await using model = await openModel(options, session);
  using device = await openCommandDevice(options, io);
  const most = options.number("most") ?? 5;
  const tokens = await activeLatents(device, model, sae, text, { most });
  const labels = await labelsOf(tokens, options);
  for (const token of tokens) {
    const name = JSON.stringify(token.text);
    output.say(token.massive ? `${name}  massive: left out, as in training` : name);
    for (const { latent, activation } of token.latents) {
      const label = labels.get(latent);
      output.say(
        `  ${String(latent).padStart(7)}  ${activation.toPrecision(4).padStart(8)}  ` +
          (label ? `${label.text} (${label.source})` : ""),
      );
    }
  }
  output.result({
    tokens: tokens.map((token) => ({
      ...token,
      latents: token.latents.map((each) => ({ ...each, label: labels.get(each.latent) })),
    })),
  });
}

/** Labels of the latents that are shown. */
async function labelsOf(
  tokens: readonly TokenLatents[],
  options: Arguments,
): Promise<Map<number, LatentLabel>> {
  const [file, folder] = [options.text("labels"), options.text("dashboards")];
  if (file !== undefined) return readExplanations(file);
  const labels = new Map<number, LatentLabel>();
  if (folder === undefined) return labels;
  const reader = await openFolder(folder);
  const { latent } = await reader.columns();
  const places = new Map(Array.from(latent, (each, place) => [each, place]));
  const shown = new Set(tokens.flatMap((token) => token.latents.map(({ latent }) => latent)));
  for (const each of shown) {
    const place = places.get(each);
    const label = place === undefined ? undefined : (await reader.record(place)).label;
    if (label) labels.set(each, label);
  }
  return labels;
}

async function search(path: string, given: Arguments, { output, signal }: Session): Promise<void> {
  const [token, text, label] = FINDS.map((name) => given.text(name));
  const reader = await openFolder(path);
  const most = given.number("most");
  const found = await searchDashboards(reader, { token, text, label }, { most, signal });
  output.say(found.length === 0 ? "no latent was found" : `${found.length} latents:`);
  for (const each of found) output.say(describe(each));
  output.result({ found });
}

function describe({ latent, share, label, density, context }: FoundLatent): string {
  const words = label ? `${label.text} (${label.source})` : "";
  const numbers = `${(100 * share).toFixed(0)} % of contexts, density ${density.toPrecision(2)}`;
  const line = context?.tokens.map((token, i) => i === context.peak ? `«${token}»` : token).join(
    "",
  );
  return `${String(latent).padStart(7)}  ${numbers}  ${words}` +
    (line === undefined ? "" : `\n           ${line.replaceAll("\n", "↵")}`);
}

/** @throws {UsageError} The folder has no dashboards. */
async function openFolder(folder: string): Promise<DashboardReader> {
  try {
    return await openDashboards(folderReader(folder));
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory)) {
      throw error;
    }
    throw new UsageError(`${folder} is no folder that \`saewing dashboard\` finished`);
  }
}
