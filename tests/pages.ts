// The documentation's commands and code: which there are, and how tests/heavy/pages.ts runs them.
import { assert, assertEquals, assertMatch } from "@std/assert";
import { join } from "@std/path";
import { deno, type Ran, ROOT, saewing, withFolder } from "./cli/cli_helper.ts";

/** Pages with commands or code to run, each after those whose output it needs. */
export const RUN = [
  "README.md",
  "docs/tutorial.md",
  "docs/dashboards.md",
  "docs/explorer.md",
  "docs/command_line.md",
  "docs/cluster.md",
  "docs/formats.md",
  "docs/models.md",
  "docs/architectures.md",
  "docs/sparsity.md",
  "docs/massive_activations.md",
  "docs/how_training_works.md",
  "docs/performance.md",
  "CONTRIBUTING.md",
];

/** The expected output of the pages' scripts. */
const PRINTED: Record<string, RegExp> = {
  "README.md": /^\d+ steps, loss \d/,
  "docs/tutorial.md": /^\d+ of 192 latents are novel/,
  "docs/explorer.md": /^\[\s+0\.\d+,/,
  "docs/formats.md": /^batchtopk 96 \d\S* blocks\.2\.hook_resid_pre/,
  "docs/massive_activations.md": /^\{ multiple: 10, medianNorm: \d/,
  "docs/how_training_works.md": /^the same bits/,
  "CONTRIBUTING.md": /\[ 2, 4, 6 \]/,
};

/** All pages, by their paths. */
export const pages: Record<string, string> = {};
for (const folder of ["", "docs/", "docs/decisions/"]) {
  for await (const { name } of Deno.readDir(join(ROOT, folder))) {
    if (!name.endsWith(".md")) continue;
    pages[folder + name] = await Deno.readTextFile(join(ROOT, folder, name));
  }
}

/** A page's blocks that begin with these words. */
export function blocks(page: string, words: string): string[] {
  return [...pages[page].matchAll(new RegExp("^```" + words + "\n([\\s\\S]*?)^```", "gm"))]
    .map(([, block]) => block);
}

/** The lines of such blocks. */
export const lines = (page: string, words: string): string[] =>
  blocks(page, words).flatMap((block) => block.trim().split("\n"));

/** Runs every command and TypeScript block of all pages, one page after the other, in a temporary folder. */
export async function runPages(t: Deno.TestContext): Promise<void> {
  await withFolder(async (folder) => {
    await linkCheckout(folder);
    for (const page of RUN) {
      for (const command of lines(page, "sh")) {
        if (command === "npx -y deno@2.9.6 task test") continue;
        await t.step(`${page}: ${command}`, async () => {
          const [program, ...args] = command.replace(/^npx -y deno@2\.9\.6/, "deno").split(" ");
          assertEquals(program, "deno");
          // README has the demo with its default, long arguments.
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
}

/**
 * Runs a page's command in the folder. The command line runs in this process, and relative paths are made
 * absolute: tests that run in parallel share the process's working directory.
 */
async function runCommand(args: string[], folder: string): Promise<Ran> {
  if (args.slice(0, 3).join(" ") !== "run -A cli.ts") return await deno(args, folder);
  return await saewing(
    args.slice(3).map((arg) => /^(runs|examples|tests)\//.test(arg) ? join(folder, arg) : arg),
  );
}

/** Links to the checkout's files except `runs/`, so that no old results are read and no new ones written there. */
async function linkCheckout(folder: string): Promise<void> {
  for await (const { name, isDirectory } of Deno.readDir(ROOT)) {
    if (name === "runs" || name.startsWith(".")) continue;
    const type = isDirectory ? "dir" : "file";
    await Deno.symlink(join(ROOT, name), join(folder, name), { type });
  }
}

/** Checks that an example's results are meaningful: the loss has converged and most claims are decided. */
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
