import type { DownloadProgress } from "../mod.ts";
import type { Output } from "./output.ts";

/** Shows how far downloads from the hub are, as their `onProgress`. */
export function downloadProgress(output: Output): (progress: DownloadProgress) => void {
  return ({ file, loaded, total }) => {
    const whole = total > 0 ? ` of ${mebibytes(total)}` : "";
    output.progress(`${file}: ${mebibytes(loaded)}${whole}`, { file, loaded, total });
  };
}

function mebibytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}
