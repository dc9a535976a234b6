// WGSL snippets that several kernels share; a kernel lists them in its `globals`.
import { type Fields, layOut, struct, type Values } from "./define.ts";

function places<Name extends string>(names: readonly Name[]): Readonly<Record<Name, number>> {
  return Object.fromEntries(names.map((name, at) => [name, at])) as Record<Name, number>;
}

/**
 * Uniform of every kernel of a training step: the step's number from 1, Adam's constants (`rate`: the
 * learning rate divided by the first moment's bias correction; `correction`: the inverse square root of the
 * second's), and the current share of the sparsity loss.
 */
export const STEP = {
  step: "u32",
  rate: "f32",
  correction: "f32",
  beta1: "f32",
  beta2: "f32",
  epsilon: "f32",
  sparsity: "f32",
} as const satisfies Fields;

/** Indices of the words of {@linkcode STEP}. */
export const STEP_AT = places(Object.keys(STEP) as (keyof typeof STEP)[]);

/** The binding of {@linkcode STEP}. */
export const step = struct("Step", STEP);

/** The words of {@linkcode STEP}; missing values are 0. */
export function layOutStep(values: Partial<Values<typeof STEP>>): Uint32Array<ArrayBuffer> {
  const none = Object.fromEntries(Object.keys(STEP).map((name) => [name, 0]));
  return layOut("step", STEP, { ...none as Values<typeof STEP>, ...values });
}

/**
 * Fields of a step's record, a word each. `activeEntries`, `smallestKept` (0: none), `deadLatents`,
 * `badInput` (1 + index of the batch's first number that is not finite; 0: none), `frozen`, `step` and
 * `dense` (1: by dense products) are integers; the others are floats.
 */
export const RECORD = [
  "loss",
  "auxiliaryLoss",
  "activeEntries",
  "smallestKept",
  "deadLatents",
  "badInput",
  "frozen",
  "step",
  "sparsityLoss",
  "meanThreshold",
  "gradientNorm",
  "dense",
] as const;

/** Declares `record`, the index of the step's first word among `sizes.slots` records. */
export const FIND_RECORD = `let record = (step.step - 1u) % sizes.slots * ${RECORD.length}u;`;

/** Indices of the words of a record. */
export const RECORD_AT = places(RECORD);

/** A word of the record. */
export const recordWord = (name: keyof typeof RECORD_AT): string =>
  `records[record + ${RECORD_AT[name]}u]`;

/**
 * `total(lane, own)`, or another `name`: the sum over a workgroup, returned to each of its threads; `lanes`
 * is a power of two. All threads must call it.
 */
export const sumOver = (lanes: number, type = "f32", name = "total"): string =>
  `var<workgroup> ${name}Sums: array<${type}, ${lanes}>;

fn ${name}(lane: u32, own: ${type}) -> ${type} {
  workgroupBarrier();
  ${name}Sums[lane] = own;
  for (var half = ${lanes / 2}u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) { ${name}Sums[lane] += ${name}Sums[lane + half]; }
  }
  workgroupBarrier();
  return ${name}Sums[0];
}`;

/** `sumBefore(lane, own)`: the sum of integers over the threads before this one; call it once. */
export const sumBefore = (lanes: number): string =>
  `var<workgroup> laneCounts: array<u32, ${lanes}>;

fn sumBefore(lane: u32, own: u32) -> u32 {
  laneCounts[lane] = own;
  workgroupBarrier();
  var sum = 0u;
  for (var i = 0u; i < lane; i++) { sum += laneCounts[i]; }
  return sum;
}`;

/** `notFinite(value)`, by the exponent's bits: comparisons with NaN may be optimized away. */
export const NOT_FINITE = `fn notFinite(value: f32) -> bool {
  return (bitcast<u32>(value) & 0x7f800000u) == 0x7f800000u;
}`;

/** WGSL to read a buffer's numbers, four at once with `vector`, else one by one. */
export function elements(vector: boolean): {
  /** Numbers of an element. */
  width: number;
  /** WGSL type of an element of floats. */
  floats: string;
  /** WGSL type of an element of whole numbers. */
  integers: string;
  /** An element's numbers. */
  parts: (element: string) => string[];
  /** The number of an index, of a buffer of elements. */
  number: (buffer: string, index: string) => string;
  /** Product of two elements, summed. */
  dot: (a: string, b: string) => string;
} {
  return vector
    ? {
      ...{ width: 4, floats: "vec4f", integers: "vec4u" },
      parts: (element) => [..."xyzw"].map((part) => `${element}.${part}`),
      number: (buffer, index) => `${buffer}[(${index}) / 4u][(${index}) % 4u]`,
      dot: (a, b) => `dot(${a}, ${b})`,
    }
    : {
      ...{ width: 1, floats: "f32", integers: "u32" },
      parts: (element) => [element],
      number: (buffer, index) => `${buffer}[${index}]`,
      dot: (a, b) => `${a} * ${b}`,
    };
}

/** WGSL to read rows of `d` floats, four at once if 4 divides d. */
export function rowElements(d: number): {
  /** WGSL type of an element. */
  element: string;
  /** Elements of a row. */
  width: number;
  /** Product of two elements, summed. */
  dot: (a: string, b: string) => string;
} {
  const { width, floats, dot } = elements(d % 4 === 0);
  return { element: floats, width: d / width, dot };
}

/** Divides a row's `width` elements among lanes: lane l has elements l, l + lanes, …. */
export function shareRow(width: number, lanes: number): {
  /** First element of lane 0 in each turn. */
  turns: number[];
  /** A statement per turn, with a condition where the row ends before the last lane. */
  each: (statement: (first: number) => string, indent?: string) => string;
} {
  const turns = Array.from({ length: Math.ceil(width / lanes) }, (_, turn) => turn * lanes);
  return {
    turns,
    each: (statement, indent = "  ") =>
      turns.map((first) =>
        first + lanes <= width
          ? indent + statement(first)
          : `${indent}if (lane + ${first}u < ${width}u) { ${statement(first)} }`
      ).join("\n"),
  };
}
