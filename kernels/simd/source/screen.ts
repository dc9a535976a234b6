import { dot } from "./arithmetic";

/** See `scanSums` in lib/ops/scan_sums.ts. */
export function scanSums(
  sums: usize,
  scale: usize,
  rowCuts: usize,
  rows: i32,
  inverse: usize,
  least: usize,
  latents: i32,
  out: usize,
): i32 {
  const whole = rows & ~3;
  const begin = out;
  let index: u32 = 0;
  for (let i = 0; i < latents; i++) {
    const inv = load<f32>(inverse + (<usize> i << 2));
    const low = load<f32>(least + (<usize> i << 2));
    const invs = f32x4.splat(inv), lows = f32x4.splat(low);
    let r = 0;
    for (; r < whole; r += 4) {
      const at = <usize> r << 2;
      const value = f32x4.sub(
        f32x4.mul(f32x4.convert_i32x4_s(v128.load(sums + at)), v128.load(scale + at)),
        f32x4.mul(v128.load(rowCuts + at), invs),
      );
      let mask = i32x4.bitmask(f32x4.ge(value, lows));
      while (mask) {
        store<u32>(out, index + r + <u32> ctz(mask));
        out += 4;
        mask &= mask - 1;
      }
    }
    for (; r < rows; r++) {
      const at = <usize> r << 2;
      const value: f32 = <f32> load<i32>(sums + at) * load<f32>(scale + at) -
        load<f32>(rowCuts + at) * inv;
      if (value >= low) {
        store<u32>(out, index + r);
        out += 4;
      }
    }
    sums += <usize> rows << 2;
    index += rows;
  }
  return <i32> ((out - begin) >> 2);
}

/** See `dotPairs` in lib/ops/scan_sums.ts. */
export function dotPairs(
  pairs: usize,
  count: i32,
  rows: u32,
  x: usize,
  w: usize,
  latents: usize,
  d: i32,
  out: usize,
): void {
  const bytes = <usize> d << 2;
  const end = pairs + (<usize> count << 2);
  while (pairs < end) {
    const pair = load<u32>(pairs);
    const i = pair / rows;
    const latent = load<u32>(latents + (<usize> i << 2));
    store<f32>(out, dot(x + <usize> (pair - i * rows) * bytes, w + <usize> latent * bytes, d));
    pairs += 4;
    out += 4;
  }
}

/** See `groupMaxima` in lib/ops/scan_sums.ts. */
export function groupMaxima(
  sums: usize,
  scale: usize,
  rows: i32,
  step: usize,
  less: usize,
  latents: i32,
  best: usize,
  group: i32,
  groups: i32,
): void {
  const whole = rows & ~3;
  for (let i = 0; i < latents; i++) {
    const factor = load<f32>(step + (<usize> i << 2));
    const add = load<f32>(less + (<usize> i << 2));
    const factors = f32x4.splat(factor), adds = f32x4.splat(add);
    const own = best + (<usize> (group * rows) << 2);
    let r = 0;
    for (; r < whole; r += 4) {
      const at = <usize> r << 2;
      const value = f32x4.add(
        f32x4.mul(
          f32x4.mul(f32x4.convert_i32x4_s(v128.load(sums + at)), v128.load(scale + at)),
          factors,
        ),
        adds,
      );
      v128.store(own + at, f32x4.pmax(v128.load(own + at), value));
    }
    for (; r < rows; r++) {
      const at = <usize> r << 2;
      const value: f32 = <f32> load<i32>(sums + at) * load<f32>(scale + at) * factor + add;
      if (value > load<f32>(own + at)) store<f32>(own + at, value);
    }
    sums += <usize> rows << 2;
    if (++group === groups) group = 0;
  }
}
