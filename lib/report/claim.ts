/** What the paper claims, and what a run says to it. */
export interface Claim {
  /** The claim, in the paper's sense. */
  claim: string;
  /** This run's numbers for and against it. */
  found: string;
  /** Whether they speak for it; undefined: not decided. */
  holds: boolean | undefined;
  /** Why it is not decided, where it is not. */
  why?: string;
}
