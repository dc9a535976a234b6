import { defineKernel, read, write } from "./define.ts";
import { step } from "./prelude.ts";

/**
 * One step of Adam on a vector (a bias); `rateFactor` multiplies the learning rate. The vector does not
 * change in a frozen run.
 */
export const adamVector = () =>
  defineKernel({
    label: "adam",
    sizes: { numbers: "u32", rateFactor: "f32" },
    bind: {
      step,
      gradient: read("f32"),
      value: write("f32"),
      first: write("f32"),
      second: write("f32"),
      frozen: read("u32"),
    },
    workgroup: 64,
    body: `
  let i = thread;
  if (i >= sizes.numbers || frozen[0] != 0u) { return; }
  let g = gradient[i];
  let m = step.beta1 * first[i] + (1.0 - step.beta1) * g;
  let v = step.beta2 * second[i] + (1.0 - step.beta2) * g * g;
  first[i] = m;
  second[i] = v;
  value[i] -= sizes.rateFactor * step.rate * m / (sqrt(v) * step.correction + step.epsilon);`,
  });
