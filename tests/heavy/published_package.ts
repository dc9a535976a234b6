import { assert, assertEquals, assertMatch } from "@std/assert";
import { join } from "@std/path";
import { deno, HOOK, MODEL, ROOT, withFolder, writeCorpus } from "../cli/cli_helper.ts";

/** Folders that JSR does not get: `publish.exclude` of deno.json. */
const LEFT_OUT = /^(tests|bench|examples\/tiny-gpt2|\.ci)\//;

/**
 * Serves the package as a registry does: its files at an address, with the names of `imports` written out,
 * since a published package has no import map. JSR's own packages are the stand-ins of std/.
 */
async function servePackage(): Promise<AsyncDisposable & { base: string }> {
  const { imports, publish } = JSON.parse(await Deno.readTextFile(join(ROOT, "deno.json")));
  for (const folder of publish.exclude) assertMatch(`${folder}/`, LEFT_OUT);
  const writtenOut = (name: string, base: string): string => {
    const known = Object.keys(imports).find((key) =>
      name === key || key.endsWith("/") && name.startsWith(key)
    );
    if (known === undefined) return name;
    const whole = imports[known] + name.slice(known.length);
    return whole.replace(/^jsr:@std\/(\w+)@.*$/, `${base}std/$1/mod.ts`);
  };
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const { pathname, origin } = new URL(request.url);
    const path = pathname.slice(1);
    const text = LEFT_OUT.test(path) ? undefined : await Deno.readTextFile(join(ROOT, path))
      .catch(() => undefined);
    if (text === undefined) return new Response("not found", { status: 404 });
    const found = text.replace(
      /\b(from\s+|import\s+|import\(\s*)"([^"]+)"/g,
      (_, words, name) => `${words}"${writtenOut(name, `${origin}/`)}"`,
    );
    return new Response(found, { headers: { "content-type": "application/typescript" } });
  });
  return {
    base: `http://127.0.0.1:${server.addr.port}/`,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

Deno.test("train, dashboard and explore run from the published package, without a checkout", async () => {
  await using registry = await servePackage();
  await withFolder(async (folder) => {
    const run = async (...args: string[]) => {
      const flags = ["--no-config", "--no-lock", "--no-check", "--quiet"];
      const ran = await deno(["run", "-A", ...flags, `${registry.base}cli.ts`, ...args], folder);
      assertEquals(ran.code, 0, ran.stderr);
      return ran;
    };
    const text = await writeCorpus(folder);
    const of = ["--model", MODEL, "--hook", HOOK, "--text", text];
    const sizes = ["--dict-size", "24", "--k", "4", "--steps", "3", "--batch-size", "64"];
    await run("train", ...of, ...sizes, "--context", "32", "--out", "run");
    await run("dashboard", "run", "--text", text, "--examples", "4", "--out", "dashboards");
    await run("explore", "dashboards", "--out", "site");
    const { saes, models } = JSON.parse(await Deno.readTextFile(join(folder, "site/site.json")));
    assertEquals([saes.length, models.length], [1, 1]);
    const { size } = await Deno.stat(join(folder, "site/ort/ort.wasm"));
    assert(size > 10_000_000, `ort.wasm has ${size} bytes`);
    await Deno.stat(join(folder, "site/own/0/sae.bin"));
  });
});
