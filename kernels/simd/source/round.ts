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
  // A float32 sum of d squares is off by less than d · 2⁻²⁴ of itself, its root by half of that. Squares
  // below the normal range lose 2⁻¹⁵⁰ each, numbers that the balance brings there as much themselves.
  const up: f32 = 1 + <f32> (d + 16) * <f32> 1.2e-7;
  const least: f32 = <f32> (d + 16) * <f32> 2.7e-23;
  store<f32>(scale, step);
  store<f32>(norm, sqrt<f32>(square) * up + least);
  store<f32>(error, sqrt<f32>(off) * up + least);
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
  const least: f32 = <f32> (d + 16) * <f32> 2.7e-23;
  store<f32>(scale, step);
  store<f32>(norm, sqrt<f32>(square) * up + least);
  store<f32>(error, sqrt<f32>(off) * up + least);
}

// @ts-ignore: a decorator of AssemblyScript
@inline
function lanes(s: v128): f32 {
  return f32x4.extract_lane(s, 0) + f32x4.extract_lane(s, 1) + f32x4.extract_lane(s, 2) +
    f32x4.extract_lane(s, 3);
}
