// Sites of the explorer for tests: made-up dashboards, served in this process.
import type { Browser, Page } from "playwright-core";
import { type Served, siteHandler } from "../../lib/explorer/serve_site.ts";
import type { DashboardAbout } from "../../lib/explorer/dashboard_files.ts";
import { dashboardFiles } from "../../lib/explorer/dashboard_files.ts";
import type { MetaLabel } from "../../lib/explorer/search_index.ts";
import { type ModelFiles, modelFiles, ownFiles } from "../../lib/explorer/own_files.ts";
import { createRandom } from "../../lib/random.ts";
import { initializeSae } from "../../mod.ts";
import { runtimeFiles } from "../../cli/explore.ts";
import { ROOT } from "../cli/cli_helper.ts";
import { type SiteFile, siteFiles, type SiteSource } from "../../lib/explorer/site.ts";
import type { ResultFolder } from "../../lib/explorer/result_folder.ts";
import { madeMeta, madeStitching, madeSweep, madeTraining } from "../explorer/made_results.ts";
import type { DashboardExtras } from "../../lib/explorer/dashboard_record.ts";
import type { Dashboards, LatentDashboard } from "../../lib/interpretation/dashboards.ts";

/** Texts that would do something if they were read as markup, a script or an address. */
export const HOSTILE = [
  `<script>pwned=1</script>`,
  `<img src=x onerror=pwned=2>`,
  `<svg onload=pwned=3>`,
  `"><script>pwned=4</script>`,
  `' onmouseover='pwned=5`,
  `javascript:pwned=6`,
  `</title><script>pwned=7</script>`,
  `</script><script>pwned=8</script>`,
  `<iframe srcdoc="<script>parent.pwned=9</script>">`,
  `<a href="javascript:pwned=10">x</a>`,
  `<style>*{display:none}</style>`,
  `<base href="https://example.com/">`,
  `<meta http-equiv="refresh" content="0;url=https://example.com/">`,
  "${pwned=14}{{pwned=14}}",
  `<math><mtext><img src=x onerror=pwned=15></mtext></math>`,
  `<!--<img src="--><img src=x onerror=pwned=16>">`,
  `\u202e\u2066<b onclick=pwned=17>\u0000\u0008\u001b[31m`,
  `__proto__`,
  `%3Cscript%3Epwned=19%3C/script%3E`,
  `<details open ontoggle=pwned=20>`,
];

/** Made-up dashboards, each number and text told from its latent's number. */
export function siteDashboards(
  count: number,
  texts: readonly string[],
  other: string,
): Dashboards {
  const latents = Uint32Array.from({ length: count }, (_, latent) => latent);
  const text = (i: number) => texts[i % texts.length];
  const density = (latent: number) => latent === 0 ? 0 : 1 / (2 + latent);
  return {
    density,
    ...{ latents, samples: 10_000, correlated: 10_000, rows: 80, contextLength: 126, bytes: 0 },
    inactive: () => [],
    read(latent): LatentDashboard {
      const example = (shift: number) => ({
        ...{ row: latent % 80, position: 9, peak: 1 },
        tokens: Array.from({ length: 5 }, (_, i) => text(latent + i + shift)),
        activations: Float32Array.of(0, 5 - shift / 10, 1, 0, 0.5),
      });
      const near = (step: number) => [{ latent: (latent + step) % count, cosine: 0.75 }];
      return {
        ...{ latent, density: density(latent), actives: latent },
        ...{ meanActivation: 0.5, maxActivation: 1 + latent % 7 },
        histogram: { width: 0.25, counts: Uint32Array.of(3, 0, 1) },
        top: Array.from({ length: 10 }, (_, i) => example(i)),
        intervals: [{ low: 0, high: 1, count: 4, samples: [example(3)] }],
        coactive: [{ latent: (latent + 3) % count, correlation: 0.12, together: 7 }],
        nearest: near(1),
        others: [{ name: other, nearest: [{ latent: latent % 30, cosine: -0.5 }] }],
        metaLatents: [{ latent: latent % 8, weight: 1.5 }, { latent: 8, weight: 0.5 }],
      };
    },
  };
}

/** A source of a site, in memory. */
export async function siteSource(
  dashboards: Dashboards,
  about: DashboardAbout,
  extras: (latent: number) => DashboardExtras = () => ({}),
  metaLabels?: ReadonlyMap<number, MetaLabel>,
): Promise<SiteSource & { files: Map<string, Uint8Array<ArrayBuffer>> }> {
  const files = new Map<string, Uint8Array<ArrayBuffer>>();
  for await (
    const file of dashboardFiles(dashboards, about, ({ latent }) => extras(latent), { metaLabels })
  ) files.set(file.name, file.bytes);
  return {
    files,
    read: (name, from, to) => Promise.resolve(files.get(name)!.slice(from, to)),
  };
}

/** A site that is served, and the bytes that were asked for. */
export interface ServedSite extends AsyncDisposable {
  /** Its address. */
  base: string;
  /** Bytes of the bodies since the start. */
  bytes(): number;
}

/**
 * Serves a site.
 *
 * @param ranges Whether the server knows ranges; `python -m http.server` does not.
 */
export async function serveSite(
  sources: (SiteSource & { files: Map<string, Uint8Array<ArrayBuffer>> })[],
  { ranges = true, more = [], models = [], results = [] }: {
    ranges?: boolean;
    more?: SiteFile[];
    models?: ModelFiles[];
    results?: ResultFolder[];
  } = {},
): Promise<ServedSite> {
  const served = new Map<string, Served>();
  for (const file of [...await Array.fromAsync(siteFiles(sources, models, results)), ...more]) {
    served.set(
      file.name,
      "bytes" in file ? file.bytes : sources[file.source].files.get(file.file)!,
    );
  }
  const answer = siteHandler(served);
  let bytes = 0;
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const asked = ranges ? request : new Request(request.url);
    const response = await answer(asked);
    bytes += Number(response.headers.get("content-length") ?? 0);
    return response;
  });
  return {
    base: `http://127.0.0.1:${server.addr.port}/`,
    bytes: () => bytes,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

/**
 * What dashboards say of themselves.
 *
 * @param near Another SAE whose neighbours they have.
 */
export const about = (
  name: string,
  dictSize: number,
  text = "m",
  near?: string,
): DashboardAbout => ({
  sae: {
    ...{ name, dictSize, architecture: text, decoderDigest: digestOf(name) },
    ...(near === undefined ? {} : { with: [{ name: near, decoderDigest: digestOf(near) }] }),
  },
  model: { id: text, hook: text },
  texts: { dataset: text },
});

/** The digest of an SAE of a name. */
export const digestOf = (name: string): string => `digest of ${name}`;

const WORDS = [" the", " cat", " sat", "\n", " on", " mat"];

/** Words for the meta-latents of {@linkcode siteDashboards}. */
const META_LABELS = new Map(Array.from({ length: 8 }, (_, meta) => [
  meta,
  { text: `about ${meta}`, source: "tokens" },
]));

/**
 * A site of two SAEs that name each other, and of what runs say of them.
 *
 * @param own Whether the large one encodes own text: random weights, on the embedded model.
 */
export async function twoSaes(
  { own = false, ...options }: { ranges?: boolean; own?: boolean } = {},
): Promise<ServedSite> {
  const large = await siteSource(
    siteDashboards(200, WORDS, "small"),
    about("large", 200, "m", "small"),
    (latent) => ({
      label: { text: latent === 42 ? "animals at night" : `label ${latent}`, source: "tokens" },
      logits: {
        ...{ promoted: [[" dog", 2.5]], suppressed: [[" log", -1]] },
        histogram: { low: -1, high: 2.5, counts: [1, 5, 2] },
      },
    }),
    META_LABELS,
  );
  const small = await siteSource(
    siteDashboards(30, WORDS, "large"),
    about("small", 30, "m", "large"),
  );
  const results = twoSaesResults();
  if (!own) return await serveSite([large, small], { ...options, results });
  const random = createRandom(5);
  const shape = { dModel: 128, dictSize: 200, k: 8 };
  const sae = {
    ...initializeSae({ architecture: "batchtopk", ...shape, random }),
    threshold: new Float32Array(200).fill(0.05),
    bEnc: Float32Array.from({ length: 200 }, () => 0.1 * random.uniform()),
    metadata: { contextSize: 20 },
  };
  const lines = (await Deno.readTextFile(`${ROOT}/tests/fixtures/corpus.jsonl`)).trim().split("\n");
  const documents = lines.map((line) => JSON.parse(line).text);
  const model = await modelFiles(`${ROOT}/examples/tiny-gpt2`, "blocks.2.hook_resid_pre", {
    texts: { name: "corpus.jsonl", documents },
  });
  const more = await Array.fromAsync(runtimeFiles());
  const sources = [{ ...large, own: ownFiles(sae, model) }, small];
  return await serveSite(sources, { ...options, more, results });
}

/** Results on two SAEs: stitched, of one sweep, each trained and the large one decomposed. */
export function twoSaesResults(
  { names: [small, large] = ["small", "large"], sizes: [m0, m1] = [30, 200], text = "a claim" } =
    {},
): ResultFolder[] {
  const sae = (name: string, dictSize: number) => ({
    ...{ name, dictSize, decoderDigest: digestOf(name) },
  });
  const saes = [sae(small, m0), sae(large, m1)];
  return [
    madeStitching(saes, { text }),
    madeSweep(saes.map((sae) => ({ ...sae, k: 8 })), { name: `runs/${text}`, architecture: "m" }),
    madeTraining(digestOf(large)),
    madeMeta(saes[1], text),
  ];
}

/** A page that fails where it logs an error, asks another host or breaks its policy. */
export async function openPage(
  browser: Browser,
  address: string,
  options: Parameters<Browser["newPage"]>[0] = {},
): Promise<{ page: Page; problems: string[] }> {
  const page = await browser.newPage(options);
  const problems: string[] = [];
  page.on("pageerror", (error) => problems.push(error.message));
  page.on("console", (message) => {
    if (message.type() === "error") problems.push(message.text());
  });
  page.on("dialog", (dialog) => {
    problems.push(`a dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  const { host } = new URL(address);
  page.on("request", (request) => {
    if (new URL(request.url()).host !== host) problems.push(`asks ${request.url()}`);
  });
  await page.goto(address);
  await page.waitForSelector("h1");
  return { page, problems };
}

/** Waits for an expression; playwright's own way to wait evaluates text in the page, which its policy forbids. */
export async function until(page: Page, expression: string, seconds = 10): Promise<void> {
  for (let turn = 0; turn < 50 * seconds; turn++) {
    if (await page.evaluate(expression)) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`after ${seconds} s there is still not ${expression}; ${page.url()}`);
}

/** Waits for a page by its heading, and for what it reads. */
export const heading = (page: Page, text: string): Promise<void> =>
  until(
    page,
    `document.querySelector("h1")?.textContent === ${JSON.stringify(text)} && ` +
      `!document.querySelector("[role=status]")?.textContent.includes("reading")`,
  );
