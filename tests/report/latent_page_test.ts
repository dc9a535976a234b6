import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { latentPage, latentPageName } from "../../lib/report/latent_page.ts";
import { HOSTILE, madeDashboard, madeLogits } from "../explorer/made_dashboards.ts";

const page = (latent: number, change = {}) =>
  latentPage({
    ...{ dashboard: madeDashboard(latent), logits: madeLogits(latent), sae: HOSTILE[1] },
    ...{ label: { text: HOSTILE[0], source: HOSTILE[1] }, samples: 100_000, correlated: 900 },
    ...{ facts: HOSTILE, pages: new Set([0, 1, 7]), ...change },
  });

Deno.test("the page of a latent shows all that its dashboard has", async () => {
  const html = await page(1);
  for (
    const words of [
      ...["1.23 %", "1,234", "of 100,000 samples", "Promoted", "Suppressed", "0.5 to 4"],
      ...["Nearest by decoder cosine", "Active together, in 900 samples", "0.250", "0.750"],
      ...["Meta-latents that make it up", "Effects on logits", "Activations above zero"],
      ...['<a href="latent-0.html">0</a>', "é日", "--a:1.00", "-0.500"],
    ]
  ) {
    assertStringIncludes(html, words);
  }
  // Two top contexts and the one of the interval; the empty interval is not shown.
  assertEquals(html.match(/<li>/g)?.length, 3);
  assert(html.includes('id="interval-1"') && !html.includes('id="interval-0"'));
  assert(!html.includes("Active nowhere"));
  assertEquals(latentPageName(17), "latent-17.html");
});

Deno.test("texts and names on the page of a latent are no markup, and nothing is loaded or run", async () => {
  const html = await page(1);
  assertStringIncludes(html, "default-src 'none'; style-src 'unsafe-inline'");
  assert(!/<(script|img|iframe|link|object|base|form)\b/i.test(html));
  const opening = [...html.matchAll(/<[a-z][^>]*>/gi)].map(([tag]) => tag);
  assertEquals(opening.filter((tag) => /\s(on\w+|src|href="(?!latent-))/i.test(tag)), []);
  assert(!html.includes("\0") && !html.includes("\u202e") && html.isWellFormed());
  // Each tag is one of the page's own, with its own attributes.
  const tags = new Set([...html.matchAll(/<([a-z][\w:-]*)/gi)].map(([, tag]) => tag.toLowerCase()));
  const known =
    ("html head meta title style body main h1 h2 h3 h4 p span strong a dl div dt dd small section " +
      "figure svg g path rect text tspan line desc article header ol li mark table caption thead tr th td " +
      "tbody footer wbr").split(" ");
  assertEquals([...tags].filter((tag) => !known.includes(tag)), []);
});

Deno.test("a latent that is never active has a page, also without logits", async () => {
  const html = await page(0, { logits: undefined, label: undefined, pages: undefined });
  assertStringIncludes(html, "Active nowhere in these texts.");
  assert(
    !html.includes("Promoted") && !html.includes("NaN") && !html.includes("<h2>Distributions"),
  );
});
