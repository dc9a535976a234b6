import { loadSae } from "../../../lib/formats/load_sae.ts";
import type { Malformed } from "./malformed.ts";

/** What loading a malformed file did. */
export interface Refusal {
  /** The error's text, FOLDER in place of the folder. */
  message: string;
  /** Bytes of all typed arrays that were made. */
  allocated: number;
  /** Size of the largest file. */
  fileSize: number;
}

const DEADLINE_MS = 60_000;

/** Makes a malformed file and loads it. "loaded" and "hung" are results too. */
export async function errorOf(
  { make, load = (path) => loadSae(path, { offline: true }) }: Pick<Malformed, "make" | "load">,
): Promise<Refusal> {
  const folder = await Deno.makeTempDir();
  try {
    const path = await make(folder);
    let fileSize = 0;
    for (const { name } of Deno.readDirSync(folder)) {
      fileSize = Math.max(fileSize, Deno.statSync(`${folder}/${name}`).size);
    }
    using count = countAllocations();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const hung = new Promise<string>((resolve) => {
      timer = setTimeout(() => resolve("hung"), DEADLINE_MS);
    });
    const loaded = load(path)
      .then(() => "loaded", (error) => (error as Error).message);
    const message = (await Promise.race([loaded, hung])).replaceAll(folder, "FOLDER");
    clearTimeout(timer);
    return { message, allocated: count.bytes(), fileSize };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Counts what `new Uint8Array(length)` and its kin take, by whoever calls them. */
function countAllocations(): Disposable & { bytes(): number } {
  const names = [
    "Uint8Array",
    "Uint16Array",
    "Float16Array",
    "Float32Array",
    "Float64Array",
  ] as const;
  const originals = names.map((name) => globalThis[name]);
  let bytes = 0;
  names.forEach((name, i) => {
    Object.assign(globalThis, {
      [name]: new Proxy(originals[i], {
        construct(target, args, self) {
          const made = Reflect.construct(target, args, self);
          // A view of an array that is there takes nothing.
          if (!(args[0] instanceof ArrayBuffer)) bytes += made.byteLength;
          return made;
        },
      }),
    });
  });
  return {
    bytes: () => bytes,
    [Symbol.dispose]() {
      names.forEach((name, i) => Object.assign(globalThis, { [name]: originals[i] }));
    },
  };
}
