import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { deno, type Ran, ROOT } from "./cli/cli_helper.ts";

const readme = await Deno.readTextFile(join(ROOT, "README.md"));

/** The lines of README's blocks of one language. */
function blocks(language: string): string[] {
  return [...readme.matchAll(new RegExp("^```" + language + "\n([\\s\\S]*?)^```", "gm"))]
    .map(([, block]) => block);
}

Deno.test("README's script is examples/train_sae.ts", async () => {
  assertEquals(blocks("ts"), [await Deno.readTextFile(join(ROOT, "examples/train_sae.ts"))]);
});

Deno.test("README's commands run", async (t) => {
  const commands = blocks("sh").flatMap((block) => block.trim().split("\n"));
  assert(commands.length >= 10, `${commands.length} commands`);
  for (const command of commands) {
    // CI runs this one, and it runs this test.
    if (command === "npx -y deno@2.9.6 task test") {
      assertStringIncludes(await Deno.readTextFile(join(ROOT, ".ci/run")), command);
      continue;
    }
    await t.step(command, async () => {
      const [program, ...args] = command.replace(/^npx -y deno@2\.9\.6/, "deno").split(" ");
      assertEquals(program, "deno");
      // README names the short form of the demo.
      if (args.join(" ") === "task demo") args.push("20");
      const ran = await deno(args);
      assertEquals(ran.code, 0, ran.stderr);
      assertMeaning(args, ran);
    });
  }
  await t.step("README's script, on what the demo left", async () => {
    const ran = await deno(["run", "-A", "examples/train_sae.ts"]);
    assertEquals(ran.code, 0, ran.stderr);
    assert(/\d+ steps, loss \d/.test(ran.stdout), ran.stdout);
  });
});

/** Of an example's numbers something can be learned: SAEs are trained to the end, most claims decided. */
function assertMeaning(args: string[], { stdout, stderr }: Ran): void {
  const command = args[args.indexOf("cli.ts") + 1];
  // The first run does not end: it is given more steps.
  if (command === "sweep" || (command === "train" && args.includes("--activations"))) {
    assert(!stderr.includes("the loss still fell"), stderr);
  }
  const fewest = { stitch: 6, meta: 3 }[command];
  if (fewest === undefined) return;
  const verdicts = [...stdout.matchAll(/^ {2}(yes|no|\?) +\w/gm)].map(([, verdict]) => verdict);
  const decided = verdicts.filter((verdict) => verdict !== "?").length;
  assert(decided >= fewest, `${decided} of ${verdicts.length} claims are decided:\n${stdout}`);
}

Deno.test("README's files are there", async () => {
  const links = [...readme.matchAll(/\]\(([^#)]+)\)/g)].map(([, link]) => link);
  assert(links.length > 0);
  for (const link of links) await Deno.stat(join(ROOT, link));
});
