import { dot } from "./arithmetic";

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
