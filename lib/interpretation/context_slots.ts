/** A place where a latent is active, with the activations around it. */
export interface LatentContext {
  /** Number of the token row. */
  row: number;
  /** Where the window starts in the row, counted in measured positions. */
  start: number;
  /** Index of the place in `activations`. */
  peak: number;
  /** The latent's activation there, as it was computed. */
  value: number;
  /** The latent's activations in the window; 0 where it is inactive. */
  activations: Float32Array;
}

/** Contexts, one a slot. */
export interface Slots {
  /** Activation at the place. */
  value: Float32Array;
  /** Number of its token row. */
  row: Uint32Array;
  /** Where the window starts in the row. */
  start: Uint32Array;
  /** Index of the place in the window. */
  peak: Uint16Array;
  /** Length of the window: shorter at the ends of a row. */
  size: Uint16Array;
  /** Windows of `before + after + 1` activations, one after the other. */
  activations: Float32Array;
  /** Positions before a place. */
  before: number;
  /** Positions after it. */
  after: number;
  /** Memory that they take. */
  bytes: number;
}

/** Room for `count` contexts. */
export function createSlots(
  count: number,
  { before, after }: { before: number; after: number },
): Slots {
  const slots = {
    value: new Float32Array(count),
    row: new Uint32Array(count),
    start: new Uint32Array(count),
    peak: new Uint16Array(count),
    size: new Uint16Array(count),
    activations: new Float32Array(count * (before + after + 1)),
  };
  const bytes = Object.values(slots).reduce((sum, each) => sum + each.byteLength, 0);
  return { ...slots, before, after, bytes };
}

/** Keeps the window around a place of a row's activations. */
export function cut(
  slots: Slots,
  slot: number,
  row: number,
  position: number,
  value: number,
  line: Float32Array,
): void {
  const start = Math.max(0, position - slots.before);
  const end = Math.min(line.length, position + slots.after + 1);
  slots.value[slot] = value;
  slots.row[slot] = row;
  slots.start[slot] = start;
  slots.peak[slot] = position - start;
  slots.size[slot] = end - start;
  slots.activations.set(line.subarray(start, end), slot * (slots.before + slots.after + 1));
}

/** The context in a slot. */
export function readSlot(slots: Slots, slot: number): LatentContext {
  const first = slot * (slots.before + slots.after + 1);
  return {
    row: slots.row[slot],
    start: slots.start[slot],
    peak: slots.peak[slot],
    value: slots.value[slot],
    activations: slots.activations.slice(first, first + slots.size[slot]),
  };
}

/** Puts a context into a slot. */
export function writeSlot(slots: Slots, slot: number, context: LatentContext): void {
  slots.value[slot] = context.value;
  slots.row[slot] = context.row;
  slots.start[slot] = context.start;
  slots.peak[slot] = context.peak;
  slots.size[slot] = context.activations.length;
  slots.activations.set(context.activations, slot * (slots.before + slots.after + 1));
}

/** Copies a context to another slot. */
export function moveSlot(slots: Slots, from: number, to: number): void {
  const size = slots.before + slots.after + 1;
  for (const each of [slots.value, slots.row, slots.start, slots.peak, slots.size]) {
    each[to] = each[from];
  }
  slots.activations.copyWithin(to * size, from * size, (from + 1) * size);
}

/** Arrays that hold some of the slots, one after the other, by the field's name and a prefix. */
export function packSlots(
  slots: Slots,
  chosen: readonly number[],
  prefix: string,
): Record<string, Float32Array | Uint32Array> {
  const width = slots.before + slots.after + 1;
  const activations = new Float32Array(chosen.length * width);
  chosen.forEach((slot, i) =>
    activations.set(slots.activations.subarray(slot * width, (slot + 1) * width), i * width)
  );
  const whole = (all: ArrayLike<number>) => Uint32Array.from(chosen, (slot) => all[slot]);
  return {
    [`${prefix}.value`]: Float32Array.from(chosen, (slot) => slots.value[slot]),
    [`${prefix}.row`]: whole(slots.row),
    [`${prefix}.start`]: whole(slots.start),
    [`${prefix}.peak`]: whole(slots.peak),
    [`${prefix}.size`]: whole(slots.size),
    [`${prefix}.activations`]: activations,
  };
}

/** Puts back what {@linkcode packSlots} gave. */
export function unpackSlots(
  slots: Slots,
  chosen: readonly number[],
  prefix: string,
  arrays: Readonly<Record<string, ArrayLike<number>>>,
): void {
  const width = slots.before + slots.after + 1;
  const fields = ["value", "row", "start", "peak", "size"] as const;
  for (const field of fields) {
    const from = arrays[`${prefix}.${field}`];
    chosen.forEach((slot, i) => slots[field][slot] = from[i]);
  }
  const activations = arrays[`${prefix}.activations`] as Float32Array;
  chosen.forEach((slot, i) =>
    slots.activations.set(activations.subarray(i * width, (i + 1) * width), slot * width)
  );
}
