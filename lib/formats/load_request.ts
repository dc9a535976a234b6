/** What the loader of a format gets beside the files. */
export interface LoadRequest {
  /** What was asked for: a path, or a hub id with its revision. Kept as `metadata.source`. */
  source: string;
  /**
   * Where that is: the path, or repository and path on the hub. Its parts tell model, hook, k and the like where
   * no config does.
   */
  place: string;
  /** Keys that replace those of the file's config. */
  overrides?: Readonly<Record<string, unknown>>;
  /** Hears of a rule or a list that decided where the SAE's files say nothing, and what of the SAE it decided. */
  onNote?: (note: string, about: "inputTransform" | "inputScale") => void;
  /** Stops the reading. */
  signal?: AbortSignal;
}
