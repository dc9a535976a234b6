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
