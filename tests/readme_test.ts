// What README and the pages say is run: every command, every TypeScript block, every link.
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { dirname, join, normalize } from "@std/path";
import { deno, type Ran, ROOT, saewing, withFolder } from "./cli/cli_helper.ts";

/** Pages with something to run, in an order in which each finds what it needs. */
const RUN = [
  "README.md",
  "docs/tutorial.md",
  "docs/dashboards.md",
  "docs/explorer.md",
  "docs/command_line.md",
  "docs/formats.md",
  "docs/models.md",
  "docs/architectures.md",
  "docs/sparsity.md",
  "docs/massive_activations.md",
  "docs/how_training_works.md",
  "docs/performance.md",
  "CONTRIBUTING.md",
];

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
  /^deno run -A examples\/toy_model\.ts$/,
  // Python, and minutes.
  /^deno task peers/,
  /^pip install /,
  /^optimum-cli export onnx /,
  /^python -m onnxruntime_genai\.models\.builder /,
  /^cp models\/pytorch\/config\.json /,
];

/** What the scripts of the pages print. */
const PRINTED: Record<string, RegExp> = {
  "README.md": /^\d+ steps, loss \d/,
  "docs/tutorial.md": /^\d+ of 192 latents are novel/,
  "docs/formats.md": /^batchtopk 96 \d\S* blocks\.2\.hook_resid_pre/,
  "docs/massive_activations.md": /^\{ multiple: 10, medianNorm: \d/,
  "docs/how_training_works.md": /^the same bits/,
  "CONTRIBUTING.md": /\[ 2, 4, 6 \]/,
};

const pages: Record<string, string> = {};
for (const folder of ["", "docs/", "docs/decisions/"]) {
  for await (const { name } of Deno.readDir(join(ROOT, folder))) {
    if (!name.endsWith(".md")) continue;
    pages[folder + name] = await Deno.readTextFile(join(ROOT, folder, name));
  }
}

/** A page's blocks that begin with these words. */
function blocks(page: string, words: string): string[] {
  return [...pages[page].matchAll(new RegExp("^```" + words + "\n([\\s\\S]*?)^```", "gm"))]
    .map(([, block]) => block);
}

const lines = (page: string, words: string): string[] =>
  blocks(page, words).flatMap((block) => block.trim().split("\n"));

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
  // CI runs README's test command, and that runs this test.
  const tests = "npx -y deno@2.9.6 task test";
  assertStringIncludes(pages["README.md"], tests);
  assertStringIncludes(await Deno.readTextFile(join(ROOT, ".ci/run")), tests);
});

Deno.test("commands and scripts of the pages run", async (t) => {
  await withFolder(async (folder) => {
    await linkCheckout(folder);
    for (const page of RUN) {
      for (const command of lines(page, "sh")) {
        if (command === "npx -y deno@2.9.6 task test") continue;
        await t.step(`${page}: ${command}`, async () => {
          const [program, ...args] = command.replace(/^npx -y deno@2\.9\.6/, "deno").split(" ");
          assertEquals(program, "deno");
          // README names the long form of the demo.
          if (args.join(" ") === "task demo") args.push("20", "16");
          const ran = await runCommand(args, folder);
          assertEquals(ran.code, 0, ran.stderr);
          if (page === "docs/tutorial.md") assertMeaning(args, ran);
        });
      }
      const scripts = blocks(page, "ts");
      if (scripts.length === 0) continue;
      await t.step(`${page}: its script`, async () => {
        const path = join(folder, "script_of_page.ts");
        await Deno.writeTextFile(path, scripts.join("\n"));
        const ran = await deno(["run", "-A", path], folder);
        assertEquals(ran.code, 0, ran.stderr);
        assertMatch(ran.stdout, PRINTED[page]);
      });
    }
  });
});

/**
 * Runs what a page says in the folder. The command line runs in this process, with whole paths in place of
 * relative ones: the folder that a process works in is that of all tests that run beside this one.
 */
async function runCommand(args: string[], folder: string): Promise<Ran> {
  if (args.slice(0, 3).join(" ") !== "run -A cli.ts") return await deno(args, folder);
  return await saewing(
    args.slice(3).map((arg) => /^(runs|examples|tests)\//.test(arg) ? join(folder, arg) : arg),
  );
}

/** The checkout with its own `runs/`, so that nothing is written into it and nothing old is found. */
async function linkCheckout(folder: string): Promise<void> {
  for await (const { name, isDirectory } of Deno.readDir(ROOT)) {
    if (name === "runs" || name.startsWith(".")) continue;
    const type = isDirectory ? "dir" : "file";
    await Deno.symlink(join(ROOT, name), join(folder, name), { type });
  }
}

/** Of an example's numbers something can be learned: SAEs are trained to the end, most claims decided. */
function assertMeaning(args: string[], { stdout, stderr }: Ran): void {
  const command = args[args.indexOf("cli.ts") + 1];
  if (command === "sweep" || command === "train") {
    assert(!stderr.includes("the loss still fell"), stderr);
  }
  const fewest = { stitch: 6, meta: 3 }[command];
  if (fewest === undefined) return;
  const verdicts = [...stdout.matchAll(/^ {2}(yes|no|\?) +\w/gm)].map(([, verdict]) => verdict);
  const decided = verdicts.filter((verdict) => verdict !== "?").length;
  assert(decided >= fewest, `${decided} of ${verdicts.length} claims are decided:\n${stdout}`);
}

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
