/** Time in which files may appear on a shared folder after those that name them, milliseconds. */
export const PATIENCE_MS = 10_000;

/**
 * Reads what another machine wrote to a shared folder: files can appear late there, or shorter first. What fails is
 * tried again until `patience`, in milliseconds, is over.
 *
 * @throws What the last try threw; the signal's reason.
 */
export async function patiently<T>(
  read: () => T | Promise<T>,
  patience: number = PATIENCE_MS,
  signal?: AbortSignal,
): Promise<T> {
  const end = performance.now() + patience;
  for (let wait = 20;; wait = Math.min(2 * wait, 1000)) {
    signal?.throwIfAborted();
    try {
      return await read();
    } catch (error) {
      if (performance.now() + wait > end) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, wait));
  }
}
