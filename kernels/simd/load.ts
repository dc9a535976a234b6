/** The hot loops in WebAssembly SIMD, over the memory that they were loaded with. */
export interface Simd {
  readonly placeholder?: undefined;
}

/** Loads the SIMD loops; nothing where the runtime has no WebAssembly SIMD. */
export function loadSimd(_memory: WebAssembly.Memory): Simd | undefined {
  return undefined;
}
