import { assert, assertEquals } from "@std/assert";
import type { Page } from "playwright-core";
import { testInBrowser } from "./chromium.ts";
import { heading, openPage, twoSaes, until } from "./explorer_site.ts";

/** What has the focus: its text or name, and whether a reader sees that it has it. */
const FOCUSED = `(() => {
  const one = document.activeElement;
  const box = one.getBoundingClientRect();
  const style = getComputedStyle(one);
  const rect = one.querySelector?.("rect");
  const outlined = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0;
  const framed = rect && getComputedStyle(rect).strokeWidth === "2px";
  return {
    tag: one.localName,
    text: one.getAttribute("aria-label") ?? one.labels?.[0]?.textContent ?? one.textContent.trim(),
    heading: one.closest(".card, section, nav, form")?.querySelector("h2")?.textContent ?? "",
    seen: Boolean(outlined || framed) && one.matches(":focus-visible"),
    inside: box.width > 0 && box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth,
  };
})()`;

interface Focused {
  tag: string;
  text: string;
  heading: string;
  seen: boolean;
  inside: boolean;
}

/** Presses Tab, or Shift and Tab, until something has the focus; each thing on the way must be seen to have it. */
async function tabTo(
  page: Page,
  what: { text: RegExp; tag?: string; heading?: RegExp },
  key = "Tab",
): Promise<void> {
  const passed: string[] = [];
  for (let presses = 0; presses < 150; presses++) {
    await page.keyboard.press(key);
    let focused = await page.evaluate(FOCUSED) as Focused;
    // The page scrolls to it in its next frame.
    for (let turn = 0; turn < 50 && !focused.inside && focused.tag !== "body"; turn++) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      focused = await page.evaluate(FOCUSED) as Focused;
    }
    const { tag, text, heading, seen, inside } = focused;
    // Behind the last thing the focus is the browser's own.
    if (tag === "body") continue;
    assert(seen, `the focus on ${tag} "${text}" is not seen`);
    assert(inside, `${tag} "${text}" has the focus outside of the window`);
    passed.push(`${tag} ${text}`);
    const fits = what.text.test(text) && (!what.tag || what.tag === tag) &&
      (!what.heading || what.heading.test(heading));
    if (fits) return;
  }
  throw new Error(`Tab does not lead to ${what.text}; it passes ${passed.join(", ")}`);
}

testInBrowser("the explorer is walked through by keyboard alone", async (browser) => {
  await using site = await twoSaes({ own: true });
  const { page, problems } = await openPage(browser, site.base);
  const enter = async (what: Parameters<typeof tabTo>[1], title: string, key?: string) => {
    await tabTo(page, what, key);
    await page.keyboard.press("Enter");
    await heading(page, title);
  };
  const at = (hash: string) => until(page, `location.hash === ${JSON.stringify(hash)}`);
  await heading(page, "large");
  await enter({ text: /^all latents$/ }, "Latents");
  // The table: sorted, a filter set, a latent opened.
  await enter({ text: /^density/, tag: "a" }, "Latents");
  await at("#/large/latents?sort=density&order=down");
  await tabTo(page, { text: /^density to$/ }, "Shift+Tab");
  await page.keyboard.type("0.1");
  await page.keyboard.press("Enter");
  await until(page, `location.hash.includes("dmax=0.1")`);
  await enter({ text: /^9$/, tag: "a" }, "Latent 9");
  await page.waitForSelector(".graph a");
  await enter({ text: /^meta-latent 1,/ }, "Meta-latent 1");
  await page.waitForSelector(".graph a");
  await enter({ text: /^17$/, heading: /^Latents/ }, "Latent 17");
  await page.waitForSelector(".graph a");
  await enter({ text: /^17$/, heading: /in small/ }, "Latent 17");
  await at("#/small/latent/17");
  // Next and previous, then back to the large SAE by the list of SAEs and its arrows.
  await page.keyboard.press("j");
  await heading(page, "Latent 18");
  await page.keyboard.press("k");
  await heading(page, "Latent 17");
  await tabTo(page, { text: /^SAE$/, tag: "select" }, "Shift+Tab");
  await page.keyboard.press("ArrowUp");
  await heading(page, "large");
  // The new page takes the focus from the list, in which "/" means nothing.
  await until(page, `document.activeElement?.localName === "h1"`);
  await page.keyboard.press("/");
  await page.keyboard.type("night");
  await until(page, `document.querySelectorAll("tbody tr").length === 1`);
  await enter({ text: /^42$/, tag: "a" }, "Latent 42");
  // Own text: the old one chosen and written over, a latent chosen, a token pressed.
  await enter({ text: /^Own text$/ }, "Own text", "Shift+Tab");
  await tabTo(page, { text: /^Text/, tag: "textarea" });
  await page.keyboard.press("Control+A");
  await page.keyboard.type("The sea and the river.");
  await until(page, `document.querySelector(".tokens")?.textContent.includes("river")`, 30);
  await tabTo(page, { text: /river|r$/, tag: "button" });
  await page.keyboard.press("Space");
  await until(page, `document.querySelector("[aria-pressed=true]") !== null`);
  await tabTo(page, { text: /^shade by latent/ });
  await page.keyboard.press("Enter");
  await until(page, `location.hash.includes("latent=")`);
  // Training: started, and stopped where the focus still is.
  await enter({ text: /^Training$/ }, "Train an SAE in this page", "Shift+Tab");
  await tabTo(page, { text: /^Latents$/, tag: "input" });
  await page.keyboard.press("Control+A");
  await page.keyboard.type("64");
  await tabTo(page, { text: /^Start$/ });
  await until(page, `location.hash.endsWith("?m=64")`);
  await page.keyboard.press("Enter");
  await until(page, `document.querySelector("progress")?.value > 0`, 60);
  assertEquals((await page.evaluate(FOCUSED) as Focused).text, "Stop");
  await page.keyboard.press("Enter");
  await until(page, `document.querySelector("[role=status]").textContent.includes("ended")`, 60);
  await tabTo(page, { text: /^Order/, tag: "select" });
  assertEquals(problems, []);
});
