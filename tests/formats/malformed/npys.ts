import { makeNpy, makeZip } from "../zip_helper.ts";

const shapes: Record<string, number[]> = {
  W_enc: [2, 3],
  W_dec: [3, 2],
  b_enc: [3],
  b_dec: [2],
  threshold: [3],
};

/** A Gemma Scope archive [d, m] = [2, 3] with arrays in place of its own; undefined leaves one out. */
function gemma(arrays: Record<string, Uint8Array | undefined>): Promise<Uint8Array> {
  const sound = Object.entries(shapes).map(([name, shape]) => [name, floats(shape)]);
  const all: typeof arrays = { ...Object.fromEntries(sound), ...arrays };
  return makeZip(
    Object.entries(all).filter(([, data]) => data !== undefined)
      .map(([name, data]) => ({ name: `${name}.npy`, data: data! })),
  );
}

function floats(shape: number[], first = 1): Uint8Array {
  const length = shape.reduce((a, b) => a * b, 1);
  return makeNpy(shape, Array.from({ length }, (_, i) => i === 0 ? first : i));
}

const wEnc = (header: string, more: Parameters<typeof makeNpy>[2] = {}) => () =>
  gemma({ W_enc: makeNpy([2, 3], [1, 2, 3, 4, 5, 6], { header, ...more }) });
const described = (descr: string, shape = "(2, 3)") =>
  wEnc(`{'descr': ${descr}, 'fortran_order': False, 'shape': ${shape}, }`);

/** Archives that are sound, with arrays that are not, or that are no Gemma Scope SAE's. */
export const npys: [what: string, bytes: () => Promise<Uint8Array>][] = [
  ["no bytes", () => gemma({ W_enc: new Uint8Array() })],
  ["no magic", () => gemma({ W_enc: new TextEncoder().encode("NUMPY, or so it says") })],
  ["version 9", wEnc("{}", { version: 9 })],
  ["version 0", wEnc("{}", { version: 0 })],
  ["header of 65,535 bytes claimed", wEnc("{}", { length: 65535 })],
  ["header of 4 GiB claimed", wEnc("{}", { length: 2 ** 32 - 1, version: 2 })],
  ["header longer than the entry", wEnc("{}", { length: 5000 })],
  ["header is a program", wEnc("__import__('os').system('ls')")],
  ["value is a program", described("open('/etc/passwd')")],
  ["deep brackets", wEnc("{".repeat(5000))],
  ["key is missing", wEnc("{'descr': '<f4', 'shape': (2, 3)}")],
  ["key twice", wEnc("{'descr': '<f4', 'descr': '<f8', 'fortran_order': False, 'shape': (2, 3)}")],
  ["key too many", wEnc("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), 'x': 1}")],
  ["objects", described("'|O'")],
  ["whole numbers", described("'<i4'")],
  ["complex numbers", described("'<c8'")],
  ["structured", described("[('a', '<f4'), ('b', '<f4')]")],
  ["order neither true nor false", wEnc("{'descr': '<f4', 'fortran_order': 1, 'shape': (2, 3)}")],
  ["shape is a number", described("'<f4'", "6")],
  ["shape is negative", described("'<f4'", "(-2, -3)")],
  ["shape is a fraction", described("'<f4'", "(2.0, 3.0)")],
  ["shape overflows", described("'<f4'", "(4294967296, 4294967296, 4294967296)")],
  ["shape of 10 TB", described("'<f4'", "(1000000, 2500000)")],
  ["shape of more than there is", described("'<f4'", "(2, 4)")],
  ["shape of less than there is", described("'<f4'", "(2, 2)")],
  ["type of more than there is", described("'<f8'")],
  ["no W_enc", () => gemma({ W_enc: undefined })],
  ["no threshold", () => gemma({ threshold: undefined })],
  ["W_enc is a vector", () => gemma({ W_enc: floats([6]) })],
  ["W_enc without rows", () => gemma({ W_enc: floats([0, 3]) })],
  ["W_dec as W_enc", () => gemma({ W_dec: floats([2, 3]) })],
  ["b_enc of another length", () => gemma({ b_enc: floats([4]) })],
  ["threshold is a number", () => gemma({ threshold: floats([]) })],
  ["NaN in W_enc", () => gemma({ W_enc: floats([2, 3], NaN) })],
  ["infinity in b_dec", () => gemma({ b_dec: floats([2], -Infinity) })],
  ["NaN in threshold", () => gemma({ threshold: floats([3], NaN) })],
  ["w_enc beside W_enc", () => gemma({ w_enc: floats([2, 3]) })],
  ["a gated SAE's arrays", () => gemma({ r_mag: floats([3]) })],
  ["a transcoder's arrays", () => gemma({ W_skip: floats([2, 2]) })],
];
