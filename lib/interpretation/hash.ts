/** 32 bits of three whole numbers, by rounds of multiplications and shifts (MurmurHash3's finaliser). */
export function hashOf(a: number, b: number, c: number): number {
  let h = 0x9e3779b9;
  for (const part of [a, b, c]) {
    h = Math.imul(h ^ part, 0x85ebca6b);
    h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
    h ^= h >>> 16;
  }
  return h >>> 0;
}
