// What README and the pages show is run, by tests/heavy/pages.ts; what they link to and name is there.
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { dirname, join, normalize } from "@std/path";
import { ROOT } from "./cli/cli_helper.ts";
import { blocks, lines, pages, RUN } from "./pages.ts";

/** Pages whose commands another test runs. */
const ELSEWHERE = ["docs/permissions.md"];

/** What a block that is marked `ignore` may hold: what takes minutes, or is not of this checkout. */
const IGNORED = [
  /jsr:@saewing\/saewing/,
  /^deno task compile && /,
  /^npx -y deno@2\.9\.6 task (check|test)$/,
  /^deno test -A tests\/\S+_test\.ts$/,
  /^saewing (harvest|sweep|probe|explore) /,
  // Packages of 90 MB.
  /^deno run -A examples\/labelled_texts\.ts /,
  /^deno task bench:dashboards /,
  // An hour and more; tests/heavy/study.ts runs the three scripts.
  /^deno run -A examples\/study(_tables|_examples)?\.ts /,
  /^deno run -A examples\/toy_model\.ts$/,
  // Python, and minutes.
  /^deno task peers/,
  /^pip install /,
  /^optimum-cli export onnx /,
  /^python -m onnxruntime_genai\.models\.builder /,
  /^cp models\/pytorch\/config\.json /,
];

Deno.test("README's script is examples/train_sae.ts", async () => {
  assertEquals(blocks("README.md", "ts"), [
    await Deno.readTextFile(join(ROOT, "examples/train_sae.ts")),
  ]);
});

Deno.test("whatever a page shows is run", async () => {
  for (const page of Object.keys(pages)) {
    const shown = [...lines(page, "sh"), ...blocks(page, "ts")];
    const runs = RUN.includes(page) || ELSEWHERE.includes(page);
    assert(shown.length === 0 || runs, `${page} is in no list of this test`);
    for (const line of lines(page, "sh ignore")) {
      assert(IGNORED.some((pattern) => pattern.test(line)), `${page} leaves out: ${line}`);
    }
    assertEquals(blocks(page, "ts ignore"), [], page);
    // Nothing hides behind another name of the languages.
    assertEquals(pages[page].match(/^```(bash|shell|console|typescript)/m), null, page);
  }
  // CI runs README's test command, and the tests that run the pages.
  const tests = "npx -y deno@2.9.6 task test";
  assertStringIncludes(pages["README.md"], tests);
  const ci = await Deno.readTextFile(join(ROOT, ".ci/run"));
  for (const command of [tests, `${tests}:heavy`]) assertStringIncludes(ci, `${command} `);
  const { tasks } = JSON.parse(await Deno.readTextFile(join(ROOT, "deno.json")));
  assertStringIncludes(tasks["test:heavy"], " tests/heavy/*.ts");
});

Deno.test("what the pages link to is there", async () => {
  let links = 0;
  for (const [page, text] of Object.entries(pages)) {
    for (const [, link] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^https?:/.test(link)) continue;
      links++;
      const [path, anchor] = link.split("#");
      const target = path === "" ? page : normalize(join(dirname(page), path));
      if (!(target in pages)) await Deno.stat(join(ROOT, target));
      if (anchor === undefined) continue;
      assert(anchorsOf(pages[target]).includes(anchor), `${page} links to ${link}`);
    }
  }
  assert(links > 50, `${links} links`);
});

Deno.test("files that the pages name are there", async () => {
  const inCheckout = /`((?:lib|kernels|cli|std|tests|bench|examples|docs)\/[\w./-]*)`/g;
  let named = 0;
  for (const [page, text] of Object.entries(pages)) {
    if (page === "CHANGELOG.md") continue;
    for (const [, path] of text.matchAll(inCheckout)) {
      if (/NAME|ROOM/.test(path)) continue;
      named++;
      await Deno.stat(join(ROOT, path)).catch(() => {
        throw new Error(`${page} names ${path}, which is not there`);
      });
    }
  }
  assert(named > 40, `${named} paths`);
});

Deno.test("README leads to every page", () => {
  const linked = [...pages["README.md"].matchAll(/\]\(([^)#]+)/g)].map(([, link]) => link);
  const inner = /^(README|CHANGELOG)\.md$|^docs\/decisions\//;
  for (const page of Object.keys(pages)) {
    assert(inner.test(page) || linked.includes(page), `README does not link to ${page}`);
  }
});

/** A page's headings as GitHub makes anchors of them. */
function anchorsOf(page: string): string[] {
  return [...page.matchAll(/^#+ (.+)$/gm)].map(([, title]) =>
    title.toLowerCase().replace(/[^\p{L}\p{N}\s_-]/gu, "").replace(/ /g, "-")
  );
}
