import { assert, assertEquals } from "@std/assert";
import { testInBrowser } from "./chromium.ts";
import { heading, openPage, twoSaes, until } from "./explorer_site.ts";

testInBrowser(
  "the explorer leads from latent to neighbour, meta-latent and other SAE",
  async (browser) => {
    await using site = await twoSaes();
    const { page, problems } = await openPage(browser, site.base);
    await heading(page, "large");
    assert(site.bytes() < 300_000, `the first view reads ${site.bytes()} bytes`);
    await page.click("text=all latents");
    await heading(page, "Latents");
    await page.click("tbody tr:nth-child(4) th a");
    await heading(page, "Latent 3");
    assertEquals(new URL(page.url()).hash, "#/large/latent/3");
    const text = await page.textContent("main") ?? "";
    for (const part of ["label 3", "dog", "log", "Contexts with the largest", "from 0 to 1"]) {
      assert(text.includes(part), part);
    }
    await page.click(".card:has-text('Nearest latents here') a");
    await heading(page, "Latent 4");
    await page.click(".graph a:has-text('meta-latent 4')");
    await heading(page, "Meta-latent 4");
    assert((await page.textContent("main"))!.includes("about 4"), "its label");
    // The graph leads on, to a latent's other meta-latents.
    const first = await page.textContent(".graph a:nth-of-type(2)");
    assert(first!.startsWith("latent "), first!);
    assertEquals(await page.locator(".graph a:has-text('meta 8')").count(), 5);
    await page.click(".card:not(:has(.graph)) a:has-text('12')");
    await heading(page, "Latent 12");
    await page.click(".card:has-text('Nearest latents in small') a");
    await until(page, `location.hash === "#/small/latent/12"`);
    await heading(page, "Latent 12");
    for (const before of ["Latent 12", "Meta-latent 4", "Latent 4", "Latent 3", "Latents"]) {
      await page.goBack();
      await heading(page, before);
    }
    await page.goForward();
    await heading(page, "Latent 3");
    // Keys: next, the search box; letters of a search are one step back.
    await page.keyboard.press("j");
    await heading(page, "Latent 4");
    await page.keyboard.press("/");
    await page.keyboard.type("night");
    await page.waitForSelector("text=1 of 200 latents");
    assertEquals(await page.textContent("tbody th"), "42");
    await page.goBack();
    await heading(page, "Latent 4");
    await page.fill("[type=search]", "17");
    await page.keyboard.press("Enter");
    await heading(page, "Latent 17");
    assertEquals(problems, []);
  },
);

testInBrowser("addresses show what they name, filters and sorting included", async (browser) => {
  await using site = await twoSaes();
  const at = async (hash: string, title: string) => {
    const { page, problems } = await openPage(browser, site.base + hash);
    await heading(page, title);
    return { page, problems, text: await page.textContent("main") ?? "" };
  };
  const filtered = await at("#/large/latents?sort=density&order=down&dmax=0.1&amin=6.5", "Latents");
  assert(filtered.text.includes("27 of 200 latents"), filtered.text.slice(0, 200));
  assertEquals(await filtered.page.textContent("tbody th"), "13");
  await filtered.page.fill("[aria-label='density to']", "0.01");
  await filtered.page.keyboard.press("Enter");
  await until(filtered.page, `location.hash.includes("dmax=0.01")`);
  assertEquals(await filtered.page.textContent("tbody th"), "104");
  assertEquals((await at("#/small/meta/8", "Meta-latent 8")).text.includes("30 latents"), true);
  const wrong = await at("#/large/latent/999", "Latent 999");
  assert(wrong.text.includes("has no dashboard of latent 999"));
  assert((await at("#/huge", "Not here")).text.includes("no SAE huge"));
  assert((await at("#/large/text", "Not here")).text.includes("no such page"));
  assert((await at("#/large/meta/9", "Meta-latent 9")).text.includes("below 9"));
  assertEquals([...filtered.problems, ...wrong.problems], []);
});

testInBrowser("a server without ranges shows the same", async (browser) => {
  await using site = await twoSaes({ ranges: false });
  const { page, problems } = await openPage(browser, `${site.base}#/large/latent/150`);
  await heading(page, "Latent 150");
  await page.waitForSelector(".graph a");
  assert((await page.textContent("main"))!.includes("label 150"));
  assertEquals(problems, []);
});
