import { assert, assertEquals } from "@std/assert";
import { encode, initializeSae, openDevice, openLanguageModel } from "../../mod.ts";
import { createRandom } from "../../lib/random.ts";
import { modelFiles, ownFiles } from "../../lib/explorer/own_files.ts";
import type { PageDevice } from "../../lib/explorer/page/page_device.ts";
import { runtimeFiles } from "../../cli/explore.ts";
import { ROOT } from "../cli/cli_helper.ts";
import { testInBrowser } from "./chromium.ts";
import { about, openPage, serveSite, siteDashboards, siteSource, until } from "./explorer_site.ts";

const MODEL = `${ROOT}/examples/tiny-gpt2`;
const HOOK = "blocks.2.hook_resid_pre";

testInBrowser("own text has the latents and values that Deno's encode gives", async (browser) => {
  const random = createRandom(5);
  const dModel = 128;
  const dictSize = 96;
  const sae = {
    ...initializeSae({ architecture: "batchtopk", dModel, dictSize, k: 8, random }),
    threshold: new Float32Array(dictSize).fill(0.05),
    bEnc: Float32Array.from({ length: dictSize }, () => 0.1 * random.uniform()),
    metadata: { contextSize: 20 },
  };
  const own = ownFiles(sae, await modelFiles(MODEL, HOOK));
  const source = await siteSource(
    siteDashboards(dictSize, [" a", " b"], "x"),
    about("own", dictSize),
  );
  // The same SAE as if it had been trained on rows without BOS.
  const plain = ownFiles({ ...sae, metadata: { contextSize: 20, prependBos: false } }, own.model);
  await using site = await serveSite([{ ...source, own }, { ...source, own: plain }], {
    more: await Array.fromAsync(runtimeFiles()),
  });
  const { page, problems } = await openPage(browser, `${site.base}#/own/text`);
  const text = "Ünder the <b>old</b> bridge\nhe sat 日本, and the river went on for ever and ever.";
  await page.fill("textarea", text);
  await until(page, `document.querySelector(".tokens")?.textContent.includes("<b>")`);
  await using model = await openLanguageModel(MODEL, { hook: HOOK });
  const tokens = model.tokenize(text);
  assert(tokens.length > 19, "the text is longer than a row");
  await until(page, `document.querySelector("main").textContent.includes("end is left out")`);
  const row = Int32Array.of(model.bosToken, ...tokens.subarray(0, 19));
  const { data, cols } = await model.activations(row, 1);
  using device = await openDevice({ device: "cpu" });
  const x = { data: data.slice(cols), rows: 19, cols };
  const wanted = await encode(device, sae, x);
  const encodeOn = async (device: PageDevice, number = 0) =>
    await page.evaluate(`(async () => {
    const { saes, models } = await (await fetch("site.json")).json();
    const worker = new Worker("worker.js", { type: "module" });
    const { value, error } = await new Promise((resolve) => {
      worker.onmessage = ({ data }) => resolve(data);
      worker.postMessage({
        ...{ id: 1, base: document.baseURI, device: ${JSON.stringify(device)}, call: "encode" },
        ...{ own: saes[${number}].own, model: models[0], text: ${JSON.stringify(text)} },
      });
    });
    if (error) throw new Error(error);
    const { tokens, rowOffsets, latents, values } = value;
    const plain = { rowOffsets: [...rowOffsets], latents: [...latents], values: [...values] };
    return { tokens, device: value.device, ...plain };
  })()`) as
      & { tokens: string[]; device: string }
      & Record<"rowOffsets" | "latents" | "values", number[]>;
  const found = await encodeOn("auto");
  assert(found.device.startsWith("CPU"), "a software adapter is no GPU: the CPU encodes");
  assertEquals(found.tokens, Array.from(row.subarray(1), (token) => model.tokenText(token)));
  assertEquals(found.rowOffsets, [...wanted.rowOffsets]);
  assertEquals(found.latents, [...wanted.latents]);
  assert(wanted.values.length > 50);
  const withoutBos = await model.activations(tokens.subarray(0, 20), 1);
  const other = await encode(device, sae, withoutBos);
  const foundOther = await encodeOn("cpu", 1);
  assertEquals(foundOther.tokens.length, 20);
  assertEquals(foundOther.latents, [...other.latents]);
  const furthest = (values: number[]) =>
    wanted.values.reduce((most, value, i) => Math.max(most, Math.abs(values[i] - value)), 0);
  const most = furthest(found.values);
  assert(most < 1e-4, `values differ by ${most}`);
  const onGpu = await encodeOn("software");
  assert(!onGpu.device.startsWith("CPU"), onGpu.device);
  assertEquals(onGpu.latents, found.latents);
  const gpuMost = furthest(onGpu.values);
  assert(gpuMost < 1e-4, `values of WebGPU differ by ${gpuMost}`);
  console.log(
    `${wanted.values.length} values: within ${most} on ${found.device}, ${gpuMost} on ${onGpu.device}`,
  );
  // What the page shows is that: the strongest latent first, its shading on the right tokens.
  const best = wanted.values.indexOf(Math.max(...wanted.values));
  await page.click(`[aria-label="shade by latent ${wanted.latents[best]}"]`);
  await until(page, `location.hash.endsWith("latent=${wanted.latents[best]}")`);
  const shaded = await page.evaluate(
    `[...document.querySelectorAll(".tokens button")].map((one) => one.dataset.value ?? "")`,
  ) as string[];
  const value = (token: number) => {
    for (let i = wanted.rowOffsets[token]; i < wanted.rowOffsets[token + 1]; i++) {
      if (wanted.latents[i] === wanted.latents[best]) return wanted.values[i];
    }
    return 0;
  };
  assertEquals(shaded.map((one) => one !== ""), shaded.map((_, token) => value(token) > 0));
  // A token's own latents.
  await page.click(".tokens button");
  await until(page, `document.querySelector("main").textContent.includes("Latents at")`);
  const [first, end] = wanted.rowOffsets;
  const listed = `document.querySelectorAll("[aria-label^='shade by latent']").length`;
  // 30 at most are listed.
  assertEquals(await page.evaluate(listed), Math.min(30, end - first));
  await page.fill("textarea", "");
  await until(page, `document.querySelector("main").textContent.includes("0 tokens")`);
  assertEquals(problems.filter((one) => !one.includes("adapter")), []);
});
