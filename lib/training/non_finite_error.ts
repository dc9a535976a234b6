import type { Sae } from "../sae/sae.ts";

/** A step's batch, loss or update was not finite. Training stopped there. */
export class NonFiniteError extends Error {
  /** The name shown in front of the message. */
  override name: string = "NonFiniteError";
  /** The step, from 1. */
  readonly step: number;
  /** What was learned before the step, where that is still finite: the GPU leaves it alone. */
  readonly sae?: Sae;
  /** Makes the error of a step. */
  constructor(step: number, message: string, sae?: Sae) {
    super(message);
    this.step = step;
    this.sae = sae;
  }
}
