import { assertEquals, assertRejects } from "@std/assert";

/** What a measurement over activations is told beside them. */
interface Options {
  signal: AbortSignal;
  onProgress(samples: number): void;
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
  const onProgress = (samples: number) => {
    seen.push(samples);
    if (seen.length === 2) controller.abort(new Error("enough"));
  };
  await assertRejects(() => measure({ signal: controller.signal, onProgress }), Error, "enough");
  assertEquals(seen, [rows, 2 * rows]);
}
