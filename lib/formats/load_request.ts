/** What the loader of a format gets beside the files. */
export interface LoadRequest {
  /** The argument of `loadSae`: a path, or a hub id with its revision. Kept as `metadata.source`. */
  source: string;
  /**
   * Where that is: the path, or repository and path on the hub. Its parts tell model, hook, k and the like where
   * no config does.
   */
  place: string;
  /** Keys that replace those of the file's config. */
  overrides?: Readonly<Record<string, unknown>>;
  /** Called when a rule or a list decides because the SAE's files do not say, with the field that it decides. */
  onNote?: (note: string, about: "inputTransform" | "inputScale") => void;
  /** Stops the reading. */
  signal?: AbortSignal;
}
