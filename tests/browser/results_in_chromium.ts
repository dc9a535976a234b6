// Pages of pairs, groups, chains and sweeps, and what runs say of an SAE.
import { assert, assertEquals } from "@std/assert";
import type { Page } from "playwright-core";
import { testInBrowser } from "./chromium.ts";
import { heading, openPage, twoSaes, until } from "./explorer_site.ts";

const PAIR = "#/large/pair?small=small";

/** Where a point of the first figure is on the screen; it is chosen by the slider before. */
async function placeOfChosen(page: Page): Promise<{ x: number; y: number }> {
  return await page.evaluate(`(() => {
    const { x, y, width, height } = document.querySelector(".cloud .chosen").getBoundingClientRect();
    return { x: x + width / 2, y: y + height / 2 };
  })()`) as { x: number; y: number };
}

testInBrowser(
  "a walk: overview, pair, latent of the large SAE, latent of the small one, group, and back",
  async (browser) => {
    await using site = await twoSaes();
    const { page, problems } = await openPage(browser, site.base);
    await heading(page, "large");
    const text = async () => await page.textContent("main") ?? "";
    await until(page, `document.querySelector("main").textContent.includes("0.125")`);
    const overview = await text();
    for (
      const part of [
        "NMSE",
        "CE recovered, from zero93.8 %",
        "Claims of section 5",
        "Loss in training",
      ]
    ) {
      assert(overview.includes(part), part);
    }
    assert(overview.includes("claims: 1 holds, 1 does not hold, 1 not decided"));
    await page.click("a:has-text('small → large')");
    await heading(page, "small → large");
    await page.waitForSelector(".cloud .steps");
    assert((await text()).includes("100of 200, below θ = 0.7"));
    // The slider goes from left to right: the latent with the least cosine first.
    const slider = page.locator(".cloud .steps").first();
    await slider.focus();
    await page.keyboard.press("ArrowRight");
    const told = page.locator(".cloud .told").first();
    await told.locator("a").waitFor();
    const first = await told.locator("a").textContent();
    await page.keyboard.press("End");
    await until(
      page,
      `document.querySelector(".told a")?.textContent !== ${JSON.stringify(first)}`,
    );
    const last = await told.textContent() ?? "";
    assert(/^latent \d+ label \d+; reconstruction: MSE/.test(last), last);
    // Where the slider is, there the pointer finds the same latent; a click follows it.
    const name = await told.locator("a").textContent();
    const { x, y } = await placeOfChosen(page);
    await page.mouse.move(x - 200, y);
    await page.mouse.move(x + 1, y + 1);
    await until(page, `document.querySelector(".told a")?.textContent === ${JSON.stringify(name)}`);
    await page.mouse.click(x + 1, y + 1);
    const latent = Number(name!.split(" ")[1]);
    await until(page, `location.hash === "#/large/latent/${latent}"`);
    await heading(page, `Latent ${latent}`);
    // Its page says what the pair does, and leads to the nearest latent of the small SAE.
    await until(
      page,
      `document.querySelector("main").textContent.includes("reconstruction, nearest")`,
    );
    await page.click(`.stitched a:has-text("latent ${latent % 30} of small")`);
    await until(page, `location.hash === "#/small/latent/${latent % 30}"`);
    await heading(page, `Latent ${latent % 30}`);
    await page.goto(`${site.base}#/small/latent/7`);
    await heading(page, "Latent 7");
    await page.click(".stitched a:has-text('group 7')");
    await heading(page, "Group 7");
    await until(page, `document.querySelector("main").textContent.includes("label 31")`);
    const group = await text();
    for (const part of ["1 ↔ 2 latents", "29label 29", "31label 31"]) {
      assert(group.includes(part), `${part} in ${group}`);
    }
    await page.click(".group a:text-is('29')");
    await heading(page, "Latent 29");
    for (const before of ["Group 7", "Latent 7", `Latent ${latent % 30}`, `Latent ${latent}`]) {
      await page.goBack();
      await heading(page, before);
    }
    await page.goBack();
    await heading(page, "small → large");
    await page.goBack();
    await heading(page, "large");
    // Neighbours in the other SAE are links, by digest.
    await page.goto(`${site.base}#/small/latent/12`);
    await page.click(".card:has-text('Nearest latents in large') a");
    await until(page, `location.hash === "#/large/latent/12"`);
    assertEquals(problems, []);
  },
);

testInBrowser("Enter follows the path's step to a latent or a group", async (browser) => {
  await using site = await twoSaes();
  const { page, problems } = await openPage(browser, `${site.base}${PAIR}`);
  await heading(page, "small → large");
  const path = page.locator(".cloud").nth(1);
  await path.locator(".steps").focus();
  for (let i = 0; i < 3; i++) await page.keyboard.press("ArrowRight");
  await path.locator(".told a:text-is('latent 4')").waitFor();
  assert((await path.locator(".told").textContent())!.includes("label 4; inserted: MSE −"));
  await page.keyboard.press("Enter");
  await heading(page, "Latent 4");
  await page.goBack();
  await heading(page, "small → large");
  await path.locator(".steps").focus();
  await page.keyboard.press("End");
  await path.locator(".told a:text-is('group 29')").waitFor();
  await page.keyboard.press("Enter");
  await heading(page, "Group 29");
  assertEquals(problems, []);
});

testInBrowser(
  "links show what they name: a latent, a kind of group, novel latents",
  async (browser) => {
    await using site = await twoSaes();
    const at = async (hash: string, title: string) => {
      const { page, problems } = await openPage(browser, site.base + hash);
      await heading(page, title);
      return { page, problems };
    };
    const chosen = await at(`${PAIR}&latent=40`, "small → large");
    await chosen.page.locator(".told a:text-is('latent 40')").waitFor();
    await chosen.page.waitForSelector(".chosen");
    const novel = await at(`${PAIR}&novel=2`, "small → large");
    // 99 novel latents are active in some samples; the largest numbers are missed most, 20 a page.
    await until(novel.page, `document.querySelectorAll("#novel tbody tr").length === 20`);
    assertEquals(await novel.page.textContent("#novel tbody th"), "158");
    assert((await novel.page.textContent("#novel tbody tr"))!.includes("+158 %"));
    await novel.page.click("#novel >> text=next");
    await until(novel.page, `document.querySelector("#novel tbody th").textContent === "118"`);
    assertEquals(await novel.page.textContent("h1"), "small → large");
    const groups = await at(`${PAIR}&groups=split&page=3`, "small → large");
    await until(groups.page, `document.querySelectorAll("#groups article").length === 6`);
    assertEquals(await groups.page.textContent("#groups article h3 a"), "Group 24");
    // A latent that is not there is not marked.
    const wrong = await at(`${PAIR}&latent=999`, "small → large");
    await wrong.page.waitForSelector(".cloud .steps");
    await until(wrong.page, `document.querySelectorAll("#novel tbody tr").length === 20`);
    assertEquals(await wrong.page.locator(".chosen").count(), 0);
    for (
      const [hash, title, text] of [
        ["#/large/pair?small=none", "Not here", "no such page"],
        ["#/small/pair?small=large", "Not here", "no such page"],
        ["#/large/sweep/7", "Not here", "no such page"],
        ["#/large/sweep", "Not here", "no such page"],
        [`${PAIR}&group=999`, "Group 999", "row 999 of groups.bin is asked for, it has 30"],
      ]
    ) {
      const { page, problems } = await at(hash, title);
      assert((await page.textContent("main"))!.includes(text), `${hash}: ${text}`);
      assertEquals(problems, []);
      await page.close();
    }
    assertEquals([chosen, novel, groups, wrong].flatMap(({ problems }) => problems), []);
  },
);

testInBrowser(
  "points of a sweep and a chain lead to SAEs; figures come when asked for",
  async (browser) => {
    await using site = await twoSaes();
    const { page, problems } = await openPage(browser, `${site.base}#/large/sweep/1`);
    await heading(page, "Sweep a claim");
    const points = page.locator("figure a");
    assert(await points.count() >= 4);
    await points.first().focus();
    await page.keyboard.press("Enter");
    await heading(page, "small");
    await page.click("text=chain stitch");
    await heading(page, "Chain stitch");
    await until(page, `document.querySelectorAll("figure").length === 4`);
    const before = site.bytes();
    assertEquals(await page.locator("img").count(), 0);
    await page.click("summary");
    await until(page, `document.querySelector("img")?.naturalWidth > 0`);
    assert(site.bytes() > before);
    await page.click("tbody a:text-is('large')");
    await heading(page, "large");
    assertEquals(problems, []);
  },
);

testInBrowser("a finger chooses a point first, and follows it the second time", async (browser) => {
  await using site = await twoSaes();
  const size = { viewport: { width: 390, height: 800 }, hasTouch: true };
  const { page, problems } = await openPage(browser, `${site.base}${PAIR}&latent=41`, size);
  await page.waitForSelector(".chosen");
  await page.locator(".told a:text-is('latent 41')").waitFor();
  const { x, y } = await placeOfChosen(page);
  await page.goto(`${site.base}${PAIR}`);
  await until(page, `document.querySelector(".chosen") === null`);
  await page.touchscreen.tap(x, y);
  await page.locator(".told a:text-is('latent 41')").waitFor();
  assertEquals(new URL(page.url()).hash, PAIR);
  await page.touchscreen.tap(x, y);
  await heading(page, "Latent 41");
  assertEquals(problems, []);
});
