// What a compiled binary has to hold beside what is imported. tests/heavy/compile.ts compiles one.
import { assert, assertEquals } from "@std/assert";
import { dirname, join, relative } from "@std/path";
import { ROOT } from "./cli/cli_helper.ts";

Deno.test("task compile includes every module that is named by an address", async () => {
  const { tasks } = JSON.parse(await Deno.readTextFile(join(ROOT, "deno.json")));
  const args = (tasks.compile as string).split(" ");
  assert(args.includes("--self-extracting"), "ONNX Runtime's library is loaded from a file");
  const included = args.filter((_, at) => args[at - 1] === "--include");

  const named = new Set<string>();
  for (const folder of ["lib", "cli"]) {
    for await (const [path, text] of sources(join(ROOT, folder))) {
      for (const [, address] of text.matchAll(/(?:new URL|meta\.resolve)\(["`]([^"`]+\.ts)["`]/g)) {
        // The names that an address of several modules is made with.
        const names = address.includes("${name}")
          ? [...text.matchAll(/moduleOf\(.+, "(\w+)"\)/g)].map(([, name]) => name)
          : [""];
        for (const name of names) {
          const file = join(dirname(path), address.replace("${name}", name));
          named.add(relative(ROOT, file).replaceAll("\\", "/"));
        }
      }
    }
  }
  assertEquals([...named].sort(), [...included].sort());
});

async function* sources(folder: string): AsyncGenerator<[path: string, text: string]> {
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    const path = join(folder, name);
    if (isDirectory) yield* sources(path);
    else if (name.endsWith(".ts")) yield [path, await Deno.readTextFile(path)];
  }
}
