// Compiles kernels/simd/source and writes it, as base64 text, to kernels/simd/bytes.ts: `deno task simd`.
import { main } from "assemblyscript/asc";

const FOLDER = new URL("../../kernels/simd/", import.meta.url);

/** The WebAssembly of the SIMD loops, compiled anew. */
export async function compileSimd(): Promise<Uint8Array> {
  const sources = new Map<string, string>();
  for await (const { name } of Deno.readDir(new URL("source/", FOLDER))) {
    sources.set(name, await Deno.readTextFile(new URL(`source/${name}`, FOLDER)));
  }
  let compiled: Uint8Array | undefined;
  const args = ["loops.ts", "-O3", "--noAssert", "--runtime", "stub", "-o", "loops.wasm"];
  args.push("--enable", "simd,threads,bulk-memory", "--importMemory", "--sharedMemory");
  args.push("--initialMemory", "1", "--maximumMemory", "65536");
  const { error, stderr } = await main(args, {
    readFile: (name: string) => sources.get(name) ?? null,
    writeFile: (name: string, contents: Uint8Array | string) => {
      if (name.endsWith(".wasm")) compiled = contents as Uint8Array;
    },
    listFiles: () => [],
  });
  if (error || !compiled) throw new Error(`the SIMD loops do not compile: ${stderr.toString()}`);
  return compiled;
}

/** The text of bytes.ts. */
export function bytesModule(wasm: Uint8Array): string {
  const lines = wasm.toBase64().match(/.{1,88}/g)!.map((line) => `  "${line}",`).join("\n");
  return `/** What \`deno task simd\` makes of source/loops.ts: WebAssembly, in base64. */
export const SIMD_BYTES: string = [
${lines}
].join("");
`;
}

if (import.meta.main) {
  const wasm = await compileSimd();
  await Deno.writeTextFile(new URL("bytes.ts", FOLDER), bytesModule(wasm));
  console.log(`${wasm.length} bytes`);
}
