// Arguments of any kind reach the command as they were, through real shells.
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { join } from "@std/path";
import type { Work } from "../../lib/jobs/jobs.ts";
import { kubernetesManifest } from "../../lib/jobs/kubernetes_manifest.ts";
import { shellLine } from "../../lib/jobs/shell_text.ts";
import { slurmScripts } from "../../lib/jobs/slurm_scripts.ts";
import { withFolder } from "../cli/cli_helper.ts";
import { runShell } from "../cli/submit_helper.ts";

/** Anything but NUL, which no argument can hold, and what shells and Kubernetes take for their own. */
const word = fc.oneof(
  fc.string({ unit: "grapheme", maxLength: 12 }),
  fc.array(
    fc.constantFrom(
      ..."'\"`$(){}[]*?!~#&;|<>\\ \t\n-=%é",
      "$(touch made)",
      "${HOME}",
      "$$",
      "$(HOME)",
      "EOF",
    ),
    { maxLength: 8 },
  ).map((parts) => parts.join("")),
).map((text) => text.replaceAll("\0", "").toWellFormed());

// The shell's own printf: every argument ends with NUL.
const PRINT = `printf '%s\\0'`;

/** A command whose program prints its arguments. It is called by `exec`, which does not know the shell's own. */
const workOf = (args: string[], folder: string, out: string): Work => ({
  ...{ command: "harvest", args, out, parts: 4, folder, saewing: `env ${PRINT}`, setup: [] },
});

const words = (printed: string) => printed.split("\0").slice(0, -1);

Deno.test("a line of a shell gives its words back", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(word, { minLength: 1, maxLength: 5 }), { minLength: 8 }),
      async (all) => {
        const script = all.map((each) => `${PRINT} ${shellLine(each)}`).join("\n");
        for (const shell of ["bash", "sh"]) {
          const { code, stdout, stderr } = await runShell(shell, script, {});
          assertEquals([code, stderr], [0, ""]);
          assertEquals(words(stdout), all.flat());
        }
      },
    ),
    { numRuns: 10 },
  );
});

Deno.test("Slurm's scripts call the command with its arguments, in the folder of now", () =>
  withFolder(async (base) => {
    await fc.assert(
      fc.asyncProperty(fc.array(word, { maxLength: 6 }), word, async (args, name) => {
        const folder = join(base, `it's ${name.replaceAll("/", "|").slice(0, 40)} $(x)`);
        await Deno.mkdir(folder, { recursive: true });
        const out = join(folder, "out");
        await Deno.mkdir(join(out, "jobs"), { recursive: true });
        const { run, merge } = slurmScripts(workOf(args, folder, out), []);
        const env = { SLURM_ARRAY_TASK_ID: "3", SLURM_JOB_ID: "7" };
        const part = await runShell("bash", run.script, env);
        assertEquals([part.code, part.stderr], [0, ""]);
        const printed = part.stdout.slice(part.stdout.indexOf("\n") + 1);
        assertEquals(words(printed), ["harvest", ...args, "--part=3/4"]);
        const merging = await runShell("bash", merge!.script, env);
        assertEquals(words(merging.stdout.slice(merging.stdout.indexOf("\n") + 1)), ["merge", out]);
        assertEquals((await Deno.stat(join(out, "jobs/done"))).isFile, true);
        // Nothing that an argument says was run.
        assertEquals((await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name), [
          "out",
        ]);
        await Deno.remove(folder, { recursive: true });
      }),
      { numRuns: 25 },
    );
  }));

Deno.test("Kubernetes's containers call the command with its arguments", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(word, { maxLength: 6 }), async (args) => {
      const pod = { image: "x", volumes: [], limits: {}, after: [] };
      const work = workOf(args, "/", "out");
      // Through the text of the file.
      const { items } = JSON.parse(JSON.stringify(kubernetesManifest(work, pod)));
      const [{ command }] = items[0].spec.template.spec.containers;
      const [shell, option, script] = (command as string[]).map(expand);
      assertEquals([shell, option], ["/bin/sh", "-c"]);
      const ran = await runShell(shell, script, { JOB_COMPLETION_INDEX: "2" });
      assertEquals([ran.code, ran.stderr], [0, ""]);
      assertEquals(words(ran.stdout), ["harvest", ...args, "--part=3/4"]);
    }),
    { numRuns: 25 },
  );
});

/** What Kubernetes makes of a command's text: $(NAME) is a variable, $$ a dollar sign; others stay. */
function expand(text: string): string {
  return text.replace(/\$\$|\$\(([^)]*)\)/g, (found, name) => {
    if (found === "$$") return "$";
    throw new Error(`the variable ${name} would be replaced`);
  });
}
