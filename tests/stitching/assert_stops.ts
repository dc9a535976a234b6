import { assertEquals, assertRejects } from "@std/assert";
import type { Progress } from "../../lib/progress.ts";

/** What a measurement over activations is told beside them. */
interface Options {
  signal: AbortSignal;
  onProgress(progress: Progress): void;
}

/**
 * A measurement on three batches of `rows` rows tells of each one's samples, and ends with the signal's
 * reason where it is aborted after the second.
 */
export async function assertStops(
  rows: number,
  measure: (options: Options) => Promise<unknown>,
): Promise<void> {
  const controller = new AbortController();
  const seen: number[] = [];
  const onProgress = ({ done, total }: Progress) => {
    seen.push(done);
    if (total !== undefined) assertEquals(total, 3 * rows);
    if (seen.length === 2) controller.abort(new Error("enough"));
  };
  await assertRejects(() => measure({ signal: controller.signal, onProgress }), Error, "enough");
  assertEquals(seen, [rows, 2 * rows]);
}
