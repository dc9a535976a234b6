// The hot loops of the CPU device in AssemblyScript, a dialect of TypeScript that compiles to WebAssembly:
// `deno task simd` compiles this file into ../bytes.ts. Every function does what the plain loop of its name
// in lib/ops does, to the bit: the same operations in the same order, four numbers at once. Addresses are
// bytes; `d` counts float32 numbers.
export { addRows, dot } from "./arithmetic";
export { roundColumn, roundRow } from "./round";
export { dotPairs, groupMaxima, scanSums } from "./screen";
export { updateRow } from "./update";
