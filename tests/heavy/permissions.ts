import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { deno, ROOT, withFolder, writeCorpus } from "../cli/cli_helper.ts";

const page = await Deno.readTextFile(join(ROOT, "docs/permissions.md"));
const lines = /^```sh\n([\s\S]*?)^```/m.exec(page)![1].trim().split("\n");

Deno.test("the permissions on the page are enough, and none of them is for the network", async (t) => {
  const { npmCache } = JSON.parse((await deno(["info", "--json"])).stdout);
  await withFolder(async (folder) => {
    const places: Record<string, string> = {
      DATA: join(folder, "data"),
      OUT: join(folder, "out"),
      NPM: npmCache,
    };
    await Deno.mkdir(places.DATA);
    await Deno.mkdir(places.OUT);
    await writeCorpus(places.DATA);
    const ran: string[] = [];
    for (const line of lines) {
      const args = line.split(" ").slice(1)
        .map((arg) => arg.replace(/\b(DATA|OUT|NPM)\b/g, (name) => places[name]));
      const command = args[args.indexOf("cli.ts") + 1];
      ran.push(command);
      await t.step(command, async () => {
        assert(args.includes("--no-prompt"));
        assert(!args.some((arg) => /^(-A|--allow-(all|net|run|import))/.test(arg)), line);
        const { code, stdout, stderr } = await deno(args);
        assertEquals(code, 0, stdout + stderr);
      });
      if (command !== "train") continue;
      await t.step("without one of them the error names it", async () => {
        const less = args.map((arg) => arg.replace("ORT_DISABLE_TELEMETRY,", ""));
        const { code, stderr } = await deno([...less.slice(0, -1), join(places.OUT, "less")]);
        assertEquals(code, 1);
        assertStringIncludes(stderr, "ORT_DISABLE_TELEMETRY");
      });
    }
    assertEquals(ran, ["inspect", "convert", "train", "eval"]);
  });
});
