import type { Progress } from "../progress.ts";

/** Options of every search through cosines. */
export interface CosineSearchOptions {
  /** Ends the search between two pieces of work, with the signal's reason. */
  signal?: AbortSignal;
  /**
   * Called after each piece of work, with the number of cosines. CPU: `candidates` is the number of pairs so
   * far that 8-bit screening could not decide, so that their exact dot was computed.
   */
  onProgress?: (progress: Progress & { candidates?: number }) => void;
  /** GPU: the kernel, instead of the one that suits the adapter. */
  kernel?: "lanes" | "tiled";
}
