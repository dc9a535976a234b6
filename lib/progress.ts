/** How far a piece of work is. What every `onProgress` is called with; some add to it. */
export interface Progress {
  /** What is being done: "training", the measurement of a study, the file that is downloaded. */
  phase: string;
  /** How much of the phase is done, in units of its own: steps, samples, token rows, bytes. */
  done: number;
  /** How much there is to do, in the same units; absent where it is not known. */
  total?: number;
}
