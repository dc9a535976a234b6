/** Progress of a piece of work, the argument of every `onProgress`; some add fields. */
export interface Progress {
  /** Current phase: "training", a measurement of a study, the file that is downloaded. */
  phase: string;
  /** Amount done in this phase, in its own units: steps, samples, token rows, bytes. */
  done: number;
  /** Total amount, in the same units; absent where it is not known. */
  total?: number;
}
