// The hot loops of the CPU device in AssemblyScript, a dialect of TypeScript that compiles to WebAssembly:
// `deno task simd` compiles this file into ../bytes.ts. Every function does what the plain loop of its name
// in lib/ops does, to the bit: the same operations in the same order, four numbers at once. Addresses are
// bytes; `d` counts float32 numbers.

/** See `dot` in lib/ops/arithmetic.ts. */
export function dot(a: usize, b: usize, d: i32): f32 {
  let s0 = f32x4.splat(0), s1 = s0, s2 = s0, s3 = s0;
  const whole = a + ((<usize> (d & ~15)) << 2);
  while (a < whole) {
    s0 = f32x4.add(s0, f32x4.mul(v128.load(a), v128.load(b)));
    s1 = f32x4.add(s1, f32x4.mul(v128.load(a, 16), v128.load(b, 16)));
    s2 = f32x4.add(s2, f32x4.mul(v128.load(a, 32), v128.load(b, 32)));
    s3 = f32x4.add(s3, f32x4.mul(v128.load(a, 48), v128.load(b, 48)));
    a += 64;
    b += 64;
  }
  let total = sum(s0, s1, s2, s3);
  const end = a + ((<usize> (d & 15)) << 2);
  while (a < end) {
    total += load<f32>(a) * load<f32>(b);
    a += 4;
    b += 4;
  }
  return total;
}

// @ts-ignore: a decorator of AssemblyScript
@inline
function sum(s0: v128, s1: v128, s2: v128, s3: v128): f32 {
  const s = f32x4.add(f32x4.add(s0, s1), f32x4.add(s2, s3));
  return (f32x4.extract_lane(s, 0) + f32x4.extract_lane(s, 1)) +
    (f32x4.extract_lane(s, 2) + f32x4.extract_lane(s, 3));
}

// @ts-ignore: a decorator of AssemblyScript
@inline
function rowAt(source: usize, rows: usize, half: u32, bytes: usize): usize {
  const row = load<u32>(rows);
  return source + <usize> (row < half ? row : row - half) * bytes;
}

/** See `addRows` in lib/ops/arithmetic.ts. Four rows at a time: `out` is read and written once for them. */
export function addRows(
  out: usize,
  source: usize,
  rows: usize,
  factors: usize,
  stride: usize,
  count: i32,
  half: u32,
  sign: f32,
  fresh: i32,
  d: i32,
): void {
  const bytes = <usize> d << 2;
  const end = out + bytes;
  const whole = out + ((<usize> (d & ~3)) << 2);
  if (fresh) memory.fill(out, 0, bytes);
  let j = 0;
  for (; j + 4 <= count; j += 4) {
    const f0 = sign * load<f32>(factors);
    const f1 = sign * load<f32>(factors + stride);
    const f2 = sign * load<f32>(factors + 2 * stride);
    const f3 = sign * load<f32>(factors + 3 * stride);
    factors += 4 * stride;
    let p0 = rowAt(source, rows, half, bytes);
    let p1 = rowAt(source, rows + 4, half, bytes);
    let p2 = rowAt(source, rows + 8, half, bytes);
    let p3 = rowAt(source, rows + 12, half, bytes);
    rows += 16;
    const v0 = f32x4.splat(f0), v1 = f32x4.splat(f1), v2 = f32x4.splat(f2), v3 = f32x4.splat(f3);
    let at = out;
    for (; at < whole; at += 16) {
      let own = v128.load(at);
      own = f32x4.add(own, f32x4.mul(v0, v128.load(p0)));
      own = f32x4.add(own, f32x4.mul(v1, v128.load(p1)));
      own = f32x4.add(own, f32x4.mul(v2, v128.load(p2)));
      own = f32x4.add(own, f32x4.mul(v3, v128.load(p3)));
      v128.store(at, own);
      p0 += 16;
      p1 += 16;
      p2 += 16;
      p3 += 16;
    }
    for (; at < end; at += 4) {
      let own = load<f32>(at);
      own += f0 * load<f32>(p0);
      own += f1 * load<f32>(p1);
      own += f2 * load<f32>(p2);
      own += f3 * load<f32>(p3);
      store<f32>(at, own);
      p0 += 4;
      p1 += 4;
      p2 += 4;
      p3 += 4;
    }
  }
  for (; j < count; j++) {
    const f = sign * load<f32>(factors);
    factors += stride;
    let p = rowAt(source, rows, half, bytes);
    rows += 4;
    const v = f32x4.splat(f);
    let at = out;
    for (; at < whole; at += 16) {
      v128.store(at, f32x4.add(v128.load(at), f32x4.mul(v, v128.load(p))));
      p += 16;
    }
    for (; at < end; at += 4) {
      store<f32>(at, load<f32>(at) + f * load<f32>(p));
      p += 4;
    }
  }
}

/** See `updateRow` in lib/ops/update_row.ts. */
export function updateRow(
  w: usize,
  first: usize,
  second: usize,
  gradient: usize,
  step: usize,
  rate: f32,
  decoder: i32,
  d: i32,
): void {
  const correction = load<f32>(step, 8);
  const beta1 = load<f32>(step, 12);
  const beta2 = load<f32>(step, 16);
  const epsilon = load<f32>(step, 20);
  const rest1: f32 = 1 - beta1;
  const rest2: f32 = 1 - beta2;
  const whole = (<usize> (d & ~3)) << 2;
  const end = <usize> d << 2;
  if (decoder) {
    const squares = dot(w, w, d);
    const parallel: f32 = squares > 0 ? dot(gradient, w, d) / squares : 0;
    const along = f32x4.splat(parallel);
    let at: usize = 0;
    for (; at < whole; at += 16) {
      const g = v128.load(gradient + at);
      v128.store(gradient + at, f32x4.sub(g, f32x4.mul(along, v128.load(w + at))));
    }
    for (; at < end; at += 4) {
      store<f32>(gradient + at, load<f32>(gradient + at) - parallel * load<f32>(w + at));
    }
  }
  const b1 = f32x4.splat(beta1), b2 = f32x4.splat(beta2);
  const r1 = f32x4.splat(rest1), r2 = f32x4.splat(rest2);
  const rates = f32x4.splat(rate);
  const corrections = f32x4.splat(correction);
  const epsilons = f32x4.splat(epsilon);
  let at: usize = 0;
  for (; at < whole; at += 16) {
    const g = v128.load(gradient + at);
    const m = f32x4.add(f32x4.mul(b1, v128.load(first + at)), f32x4.mul(r1, g));
    const v = f32x4.add(
      f32x4.mul(b2, v128.load(second + at)),
      f32x4.mul(f32x4.mul(r2, g), g),
    );
    v128.store(first + at, m);
    v128.store(second + at, v);
    const below = f32x4.add(f32x4.mul(f32x4.sqrt(v), corrections), epsilons);
    v128.store(
      w + at,
      f32x4.sub(v128.load(w + at), f32x4.div(f32x4.mul(rates, m), below)),
    );
  }
  for (; at < end; at += 4) {
    const g = load<f32>(gradient + at);
    const m: f32 = beta1 * load<f32>(first + at) + rest1 * g;
    const v: f32 = beta2 * load<f32>(second + at) + rest2 * g * g;
    store<f32>(first + at, m);
    store<f32>(second + at, v);
    store<f32>(w + at, load<f32>(w + at) - rate * m / (sqrt<f32>(v) * correction + epsilon));
  }
  if (!decoder) return;
  const squares = dot(w, w, d);
  const scale: f32 = squares > 0 ? <f32> 1 / sqrt<f32>(squares) : 0;
  const scales = f32x4.splat(scale);
  for (at = 0; at < whole; at += 16) {
    v128.store(w + at, f32x4.mul(v128.load(w + at), scales));
  }
  for (; at < end; at += 4) store<f32>(w + at, load<f32>(w + at) * scale);
}

/**
 * See `roundLatents` in lib/ops/round_rows.ts. The sums of squares are float32 here, and the norms so much
 * larger that they are bounds all the same.
 */
export function roundRow(
  w: usize,
  balance: usize,
  peaks: usize,
  bytes: usize,
  most: i32,
  zero: i32,
  d: i32,
  scale: usize,
  norm: usize,
  error: usize,
): void {
  const whole = (<usize> (d & ~3)) << 2;
  const end = <usize> d << 2;
  let largest = f32x4.splat(0);
  let peak: f32 = 0;
  let at: usize = 0;
  for (; at < whole; at += 16) {
    const size = f32x4.abs(v128.load(w + at));
    v128.store(peaks + at, f32x4.max(v128.load(peaks + at), size));
    largest = f32x4.max(largest, f32x4.mul(size, v128.load(balance + at)));
  }
  for (; at < end; at += 4) {
    const size = abs<f32>(load<f32>(w + at));
    store<f32>(peaks + at, max<f32>(load<f32>(peaks + at), size));
    peak = max<f32>(peak, size * load<f32>(balance + at));
  }
  peak = max<f32>(peak, f32x4.extract_lane(largest, 0));
  peak = max<f32>(peak, f32x4.extract_lane(largest, 1));
  peak = max<f32>(peak, f32x4.extract_lane(largest, 2));
  peak = max<f32>(peak, f32x4.extract_lane(largest, 3));
  let step: f32 = peak / <f32> most;
  if (!(step > <f32> 1e-30 && step < Infinity)) step = 0;
  const inverse: f32 = step > 0 ? <f32> 1 / step : 0;
  const steps = f32x4.splat(step), inverses = f32x4.splat(inverse);
  let squares = f32x4.splat(0), errors = squares;
  for (at = 0; at < whole; at += 16) {
    const value = f32x4.mul(v128.load(w + at), v128.load(balance + at));
    const byte = f32x4.nearest(f32x4.mul(value, inverses));
    const whole32 = i32x4.add(i32x4.trunc_sat_f32x4_s(byte), i32x4.splat(zero));
    const to = bytes + (at >> 2);
    store<u8>(to, <u8> i32x4.extract_lane(whole32, 0));
    store<u8>(to, <u8> i32x4.extract_lane(whole32, 1), 1);
    store<u8>(to, <u8> i32x4.extract_lane(whole32, 2), 2);
    store<u8>(to, <u8> i32x4.extract_lane(whole32, 3), 3);
    const off = f32x4.sub(value, f32x4.mul(byte, steps));
    squares = f32x4.add(squares, f32x4.mul(value, value));
    errors = f32x4.add(errors, f32x4.mul(off, off));
  }
  let square = lanes(squares), off: f32 = lanes(errors);
  for (; at < end; at += 4) {
    const value: f32 = load<f32>(w + at) * load<f32>(balance + at);
    const byte = nearest<f32>(value * inverse);
    store<u8>(bytes + (at >> 2), <u8> (<i32> byte + zero));
    square += value * value;
    off += (value - byte * step) * (value - byte * step);
  }
  // A float32 sum of d squares is off by less than d · 2⁻²⁴ of itself, its root by half of that.
  const up: f32 = 1 + <f32> (d + 16) * <f32> 1.2e-7;
  store<f32>(scale, step);
  store<f32>(norm, sqrt<f32>(square) * up);
  store<f32>(error, sqrt<f32>(off) * up);
}

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

/**
 * See `roundSamples` in lib/ops/round_rows.ts: one row, whose bytes go into a column of a block of `count`
 * rows.
 */
export function roundColumn(
  x: usize,
  inverseBalance: usize,
  bytes: usize,
  count: i32,
  d: i32,
  scale: usize,
  norm: usize,
  error: usize,
): void {
  const whole = (<usize> (d & ~3)) << 2;
  const end = <usize> d << 2;
  let largest = f32x4.splat(0);
  let at: usize = 0;
  for (; at < whole; at += 16) {
    const value = f32x4.mul(v128.load(x + at), v128.load(inverseBalance + at));
    largest = f32x4.max(largest, f32x4.abs(value));
  }
  let peak: f32 = 0;
  for (; at < end; at += 4) {
    peak = max<f32>(peak, abs<f32>(load<f32>(x + at) * load<f32>(inverseBalance + at)));
  }
  peak = max<f32>(peak, f32x4.extract_lane(largest, 0));
  peak = max<f32>(peak, f32x4.extract_lane(largest, 1));
  peak = max<f32>(peak, f32x4.extract_lane(largest, 2));
  peak = max<f32>(peak, f32x4.extract_lane(largest, 3));
  let step: f32 = peak / 127;
  if (!(step > <f32> 1e-30 && step < Infinity)) step = 0;
  const inverse: f32 = step > 0 ? <f32> 1 / step : 0;
  const steps = f32x4.splat(step), inverses = f32x4.splat(inverse);
  let squares = f32x4.splat(0), errors = squares;
  const stride = <usize> count;
  for (at = 0; at < whole; at += 16) {
    const value = f32x4.mul(v128.load(x + at), v128.load(inverseBalance + at));
    const byte = f32x4.nearest(f32x4.mul(value, inverses));
    const whole32 = i32x4.trunc_sat_f32x4_s(byte);
    store<i8>(bytes, <i8> i32x4.extract_lane(whole32, 0));
    store<i8>(bytes + stride, <i8> i32x4.extract_lane(whole32, 1));
    store<i8>(bytes + 2 * stride, <i8> i32x4.extract_lane(whole32, 2));
    store<i8>(bytes + 3 * stride, <i8> i32x4.extract_lane(whole32, 3));
    bytes += 4 * stride;
    const off = f32x4.sub(value, f32x4.mul(byte, steps));
    squares = f32x4.add(squares, f32x4.mul(value, value));
    errors = f32x4.add(errors, f32x4.mul(off, off));
  }
  let square = lanes(squares), off: f32 = lanes(errors);
  for (; at < end; at += 4) {
    const value: f32 = load<f32>(x + at) * load<f32>(inverseBalance + at);
    const byte = nearest<f32>(value * inverse);
    store<i8>(bytes, <i8> <i32> byte);
    bytes += stride;
    square += value * value;
    off += (value - byte * step) * (value - byte * step);
  }
  const up: f32 = 1 + <f32> (d + 16) * <f32> 1.2e-7;
  store<f32>(scale, step);
  store<f32>(norm, sqrt<f32>(square) * up);
  store<f32>(error, sqrt<f32>(off) * up);
}

// @ts-ignore: a decorator of AssemblyScript
@inline
function lanes(s: v128): f32 {
  return f32x4.extract_lane(s, 0) + f32x4.extract_lane(s, 1) + f32x4.extract_lane(s, 2) +
    f32x4.extract_lane(s, 3);
}
