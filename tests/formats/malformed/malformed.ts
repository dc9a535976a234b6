import { join } from "@std/path";
import { configs } from "./configs.ts";
import { npys } from "./npys.ts";
import { onnxFiles } from "./onnx_files.ts";
import { safetensors } from "./safetensors.ts";
import { torchFiles } from "./torch_files.ts";
import { zips } from "./zips.ts";

/** A malformed file or folder of one of the formats that are read. */
export interface Malformed {
  format: string;
  /** What is wrong with it. */
  what: string;
  /** Writes it into an empty folder; gives the path to load. */
  make(folder: string): Promise<string>;
  /** What reads it, `loadSae` if not given. */
  load?(path: string): Promise<unknown>;
}

/** All of them, the formats one after another. */
export const MALFORMED: Malformed[] = [
  ...zips.map(([what, bytes]) => npz("zip", what, bytes)),
  ...npys.map(([what, bytes]) => npz("npy", what, bytes)),
  ...safetensors,
  ...configs,
  ...torchFiles,
  ...onnxFiles,
];

function npz(
  format: string,
  what: string,
  bytes: () => Promise<Uint8Array> | Uint8Array,
): Malformed {
  return {
    format,
    what,
    async make(folder) {
      const path = join(folder, "params.npz");
      await Deno.writeFile(path, await bytes());
      return path;
    },
  };
}

/** The table of all of them with their error texts, as Markdown; FOLDER stands for the folder. */
export function tableOf(rows: { format: string; what: string; error: string }[]): string {
  const cell = (text: string) => text.replaceAll("|", "\\|").replaceAll("\n", " ");
  return [
    "| format | what | error |",
    "| --- | --- | --- |",
    ...rows.map(({ format, what, error }) => `| ${format} | ${cell(what)} | ${cell(error)} |`),
  ].join("\n") + "\n";
}
