import { assertEquals } from "@std/assert";
import { join, toFileUrl } from "@std/path";
import { MODEL, ROOT, withFolder } from "./cli/cli_helper.ts";

const SCRIPT = `
import { openDevice } from "${toFileUrl(join(ROOT, "mod.ts"))}";
import { inspectModel } from "${toFileUrl(join(ROOT, "lib/language_model/mod.ts"))}";
using first = await openDevice();
using second = await openDevice();
const { layers } = await inspectModel(Deno.args[0]);
console.log(first.name === second.name, layers, Deno.env.get("XDG_RUNTIME_DIR") ?? "not set");
`;

/** Runs the script in a folder that Deno has not seen, without XDG_RUNTIME_DIR, as in a container. */
async function runScript(folder: string) {
  // The repository's own settings: Deno tells once a folder which build scripts it leaves out.
  const config = JSON.parse(await Deno.readTextFile(join(ROOT, "deno.json")));
  const links = config.links.map((link: string) => join(ROOT, link));
  await Deno.writeTextFile(join(folder, "deno.json"), JSON.stringify({ ...config, links }));
  await Deno.copyFile(join(ROOT, "deno.lock"), join(folder, "deno.lock"));
  const script = join(folder, "script.ts");
  await Deno.writeTextFile(script, SCRIPT);
  const { XDG_RUNTIME_DIR: _, ...env } = Deno.env.toObject();
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-check", "-A", script, MODEL],
    cwd: folder,
    clearEnv: true,
    env: { ...env, NO_COLOR: "1" },
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

Deno.test("a script that uses the library prints what it prints, and nothing else", async () => {
  await withFolder(async (folder) => {
    assertEquals(await runScript(folder), { code: 0, stdout: "true 4 not set\n", stderr: "" });
  });
});

Deno.test("openDevice asks for no leave to set a variable", async () => {
  await withFolder(async (folder) => {
    const script = `import { openDevice } from "${
      toFileUrl(join(ROOT, "lib/device/open_device.ts"))
    }";
using gpu = await openDevice();
console.log(gpu.name.length > 0);`;
    const path = join(folder, "plain.ts");
    await Deno.writeTextFile(path, script);
    const args = ["run", "--no-check", "--no-prompt", "--no-config", path];
    const { code, stdout } = await new Deno.Command(Deno.execPath(), { args }).output();
    assertEquals([code, new TextDecoder().decode(stdout).trim()], [0, "true"]);
  });
});
