import { assert, assertEquals } from "@std/assert";
import { openDevice, openLanguageModel, streamActivations, trainSae } from "../../mod.ts";
import { runtimeFiles } from "../../cli/explore.ts";
import { modelFiles } from "../../lib/explorer/own_files.ts";
import { BATCH } from "../../lib/explorer/page/train_settings.ts";
import type { PageDevice } from "../../lib/explorer/page/page_device.ts";
import { deno, ROOT } from "../cli/cli_helper.ts";
import { testInBrowser } from "./chromium.ts";
import { heading, openPage, type ServedSite, serveSite, until } from "./explorer_site.ts";

const MODEL = `${ROOT}/examples/tiny-gpt2`;
const HOOK = "blocks.2.hook_resid_pre";
const SETTINGS = { dictSize: 96, k: 8, steps: 30, seed: 3 };

async function documents(): Promise<string[]> {
  const lines = (await Deno.readTextFile(`${ROOT}/tests/fixtures/corpus.jsonl`)).trim().split("\n");
  return lines.map((line) => JSON.parse(line).text);
}

async function trainingSite(): Promise<ServedSite> {
  const texts = { name: "corpus.jsonl", documents: await documents() };
  return await serveSite([], {
    models: [await modelFiles(MODEL, HOOK, { texts })],
    more: await Array.fromAsync(runtimeFiles()),
  });
}

/** In the page: losses of a run of the site's worker, and how often the latents were shown. */
const runOf = (device: PageDevice, settings = SETTINGS) =>
  `(async () => {
  const { models } = await (await fetch("site.json")).json();
  const worker = new Worker("worker.js", { type: "module" });
  const found = { losses: [], shown: [], device: "" };
  await new Promise((resolve, reject) => {
    worker.onmessage = ({ data: { event, error } }) => {
      if (error) reject(new Error(error));
      else if (!event) resolve();
      else if (event.kind === "device") found.device = event.value;
      else if (event.kind === "steps") found.losses.push(...event.value.map(({ loss }) => loss));
      else if (event.kind === "latents") found.shown.push(event.value.step);
    };
    worker.postMessage({
      ...{ id: 1, base: document.baseURI, model: models[0], call: "train" },
      ...{ device: ${JSON.stringify(device)}, settings: ${JSON.stringify(settings)} },
    });
  });
  return found;
})()`;

interface PageRun {
  losses: number[];
  shown: number[];
  device: string;
}

/** Deno's run on activations of ONNX Runtime's own build for Deno. */
async function runInDeno(settings = SETTINGS): Promise<number[]> {
  await using model = await openLanguageModel(MODEL, { hook: HOOK });
  using device = await openDevice({ device: "cpu", workers: 0, denseStep: false });
  const texts = await documents();
  const batches = async function* () {
    for (let epoch = 0;; epoch++) {
      const seed = SETTINGS.seed + epoch;
      yield* streamActivations(model, texts, { batchSize: BATCH, bufferRows: 16 * BATCH, seed });
    }
  };
  const options = { architecture: "batchtopk", ...settings } as const;
  return (await trainSae(device, batches, options)).history.map(({ loss }) => loss);
}

const furthest = (a: number[], b: number[]) =>
  Math.max(...a.map((value, i) => Math.abs(value - b[i]) / b[i]));

testInBrowser("training in the tab has the losses of Deno, to the last bit", async (browser) => {
  await using site = await trainingSite();
  const { page, problems } = await openPage(browser, site.base);
  const inPage = await page.evaluate(runOf("cpu")) as PageRun;
  const script = `${ROOT}/tests/browser/train_in_deno.ts`;
  const args = [
    "run",
    "-A",
    "--no-lock",
    "--no-check",
    script,
    site.base,
    JSON.stringify(SETTINGS),
  ];
  const { stdout, stderr } = await deno(args);
  assert(stdout.startsWith("["), stderr);
  assertEquals(inPage.losses, JSON.parse(stdout));
  assertEquals(inPage.shown, [5, 10, 15, 20, 25, 30]);
  assert(inPage.losses[29] < 0.8 * inPage.losses[0], "it learns");
  // With Deno's build of ONNX Runtime activations differ in their last bits.
  const distance = furthest(inPage.losses, await runInDeno());
  assert(distance < 1e-4, `losses differ by ${distance}`);
  console.log(`${inPage.device}: the same bits; with the native ONNX Runtime within ${distance}`);
  assertEquals(problems, []);
});

testInBrowser("training in the tab on WebGPU has the losses of the CPU device", async (browser) => {
  await using site = await trainingSite();
  const { page, problems } = await openPage(browser, site.base);
  // A software adapter compiles for long.
  const settings = { ...SETTINGS, dictSize: 32, steps: 8 };
  const inPage = await page.evaluate(runOf("software", settings)) as PageRun;
  assert(!inPage.device.startsWith("CPU"), inPage.device);
  assertEquals(inPage.losses.length, 8);
  const distance = furthest(inPage.losses, await runInDeno(settings));
  assert(distance < 1e-4, `losses differ by ${distance}`);
  console.log(`${inPage.device}: within ${distance}`);
  assertEquals(problems.filter((one) => !one.includes("adapter")), []);
});

testInBrowser(
  "the training page shows loss and latents, stops, and takes own text",
  async (browser) => {
    await using site = await trainingSite();
    const { page, problems } = await openPage(
      browser,
      `${site.base}#/train?m=96&k=8&steps=900&device=cpu`,
    );
    await heading(page, "Train an SAE in this page");
    const main = () => page.textContent("main").then((text) => text ?? "");
    const shows = (words: string) =>
      until(
        page,
        `document.querySelector("main").textContent.includes(${JSON.stringify(words)})`,
        60,
      );
    assert((await main()).includes("corpus.jsonl"));
    await page.click("button.main");
    await until(page, `document.querySelectorAll(".forming .card").length === 12`, 60);
    // The page answers meanwhile: latents that are held stay, whatever comes.
    await page.check("[type=checkbox]");
    const held =
      `[...document.querySelectorAll(".forming h3")].map((one) => one.textContent.split(" ")[1])`;
    const numbers = await page.evaluate(held);
    const before = Number(await page.getAttribute("progress", "value"));
    await until(page, `document.querySelector("progress").value > ${before + 10}`, 60);
    assertEquals(await page.evaluate(held), numbers);
    await page.click("button.main");
    await shows("ended after step");
    assertEquals(await page.textContent("button.main"), "Start anew");
    // Settings go into the address, and a run of own text ends by itself.
    await page.fill("[type=number] >> nth=2", "12");
    await page.press("[type=number] >> nth=2", "Tab");
    await until(page, `location.hash.includes("steps=12")`);
    await page.selectOption("form.settings select", "own");
    await page.click("button.main");
    await until(page, `document.querySelector("[role=alert]") !== null`);
    assert((await main()).includes("the corpus has no text"), "an empty text is refused");
    await page.fill(
      "textarea",
      "The <b>river</b> and the sea, the sea and the <i>river</i>. ".repeat(4),
    );
    await page.click("button.main");
    await shows("ended after step 12 of 12");
    await shows("<b>");
    assertEquals(problems, []);
  },
);
