import type { Progress } from "../progress.ts";

/** Options of cosine searches. */
export interface CosineSearchOptions {
  /** Aborts the search between two parts, with the signal's reason. */
  signal?: AbortSignal;
  /**
   * Called after each part with the number of cosines. CPU: `candidates` is the number of pairs that 8-bit
   * screening could not decide, whose exact dot was computed.
   */
  onProgress?: (progress: Progress & { candidates?: number }) => void;
  /** GPU: the kernel (default: by the adapter). */
  kernel?: "lanes" | "tiled";
}
