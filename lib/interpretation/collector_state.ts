/** What a collector keeps, as arrays by name: to be stored, and joined with what others saw. */
export type CollectorState = Record<string, Float32Array | Float64Array | Uint32Array>;
