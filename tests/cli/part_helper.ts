import { assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import type { Ran } from "./cli_helper.ts";
import { runMain } from "./main_helper.ts";

/** A claim is dead after 0.6 s, and nothing is waited for. */
export const ENV = { SAEWING_TAKEOVER_SECONDS: "0.6", SAEWING_PATIENCE_SECONDS: "0" };

/** Runs a command that ends well. */
export async function ok(args: string[], env: Record<string, string> = {}): Promise<Ran> {
  const ran = await runMain(args, { ...ENV, ...env });
  assertEquals(ran.code, 0, ran.stderr);
  return ran;
}

/** Runs a command that ends with an error. */
export async function fails(args: string[], code: number, ...messages: string[]): Promise<void> {
  const ran = await runMain(args, ENV);
  for (const message of messages) assertStringIncludes(ran.stderr, message);
  assertEquals(ran.code, code);
}

/** Files of a run below a folder, without what names its time. */
export async function tree(folder: string, within = ""): Promise<Record<string, string>> {
  const files: Record<string, string> = {};
  for await (const { name, isDirectory } of Deno.readDir(join(folder, within))) {
    const path = join(within, name);
    if (isDirectory && name !== "parts") Object.assign(files, await tree(folder, path));
    else if (!isDirectory && name !== "saewing.json") {
      files[path] = (await Deno.readFile(join(folder, path))).toHex();
    }
  }
  return files;
}
