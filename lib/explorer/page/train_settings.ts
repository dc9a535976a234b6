/** What the reader chooses. */
export interface TrainSettings {
  /** Number of latents. */
  dictSize: number;
  /** Active latents per token on average. */
  k: number;
  /** Steps. */
  steps: number;
  /** Seed of the weights and of the order. */
  seed: number;
}

/** Activations of a step. */
export const BATCH = 256;
/** What a run has where the address says nothing. */
export const DEFAULTS: TrainSettings = { dictSize: 512, k: 16, steps: 300, seed: 0 };

/** Names of settings in an address, and the values that are taken. */
export const FIELDS: {
  [Name in keyof TrainSettings]: { query: string; words: string; least: number; most: number };
} = {
  dictSize: { query: "m", words: "Latents", least: 8, most: 16384 },
  k: { query: "k", words: "Active per token", least: 1, most: 128 },
  steps: { query: "steps", words: "Steps", least: 1, most: 20000 },
  seed: { query: "seed", words: "Seed", least: 0, most: 2 ** 31 },
};

/** Settings of an address; what is no number in range is the default. */
export function settingsOf(query: URLSearchParams): TrainSettings {
  const settings = { ...DEFAULTS };
  for (const name of Object.keys(FIELDS) as (keyof TrainSettings)[]) {
    const { query: key, least, most } = FIELDS[name];
    const text = query.get(key) ?? "";
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= least && value <= most) settings[name] = value;
  }
  return settings;
}

/** Settings for an address; defaults are left out. */
export function queryOf(settings: TrainSettings): Record<string, number | undefined> {
  return Object.fromEntries(
    (Object.keys(FIELDS) as (keyof TrainSettings)[]).map((name) => [
      FIELDS[name].query,
      settings[name] === DEFAULTS[name] ? undefined : settings[name],
    ]),
  );
}
