/** What a pickle holds: tuples and lists are arrays, dictionaries maps; anything else is what `build` gives. */
export type PickleValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | PickleValue[]
  | Map<PickleValue, PickleValue>
  | PickleName
  | object;

/** A class or function that a pickle names, "torch.FloatStorage". It is only a name. */
export class PickleName {
  /** @param name Module and name, joined by a dot. */
  constructor(readonly name: string) {}
}

/** Interprets the names in a pickle. Both functions throw for unknown names. */
export interface PickleReader {
  /** What a named function gives for its arguments (REDUCE). */
  call(name: string, args: PickleValue[]): PickleValue;
  /** What a persistent id stands for (BINPERSID). */
  persistent(id: PickleValue): PickleValue;
  /** Whether a name may be in the pickle at all. */
  knows(name: string): boolean;
}

/** Bytes of a pickle that are read at most: a state dict of 100 tensors takes 12 kB. */
export const MOST_PICKLE_BYTES = 2 ** 22;

// Each instruction makes at most one value: 100 tensors take about 2,000.
const mostInstructions = 200_000;
// Magic numbers of PyTorch take 10 bytes, sizes 8.
const longestInteger = 32;

/** Instructions that state dicts do not need, and what they are for. */
const refused: Readonly<Record<number, string>> = {
  0x46: "FLOAT (text)",
  0x49: "INT (text)",
  0x4c: "LONG (text)",
  0x50: "PERSID (text)",
  0x53: "STRING (text)",
  0x56: "UNICODE (text)",
  0x67: "GET (text)",
  0x69: "INST, which makes an object",
  0x6f: "OBJ, which makes an object",
  0x70: "PUT (text)",
  0x81: "NEWOBJ, which makes an object",
  0x82: "EXT1, a registered class",
  0x83: "EXT2, a registered class",
  0x84: "EXT4, a registered class",
  0x8f: "EMPTY_SET",
  0x90: "ADDITEMS, of a set",
  0x91: "FROZENSET",
  0x92: "NEWOBJ_EX, which makes an object",
  0x96: "BYTEARRAY8",
  0x97: "NEXT_BUFFER, from outside the pickle",
  0x98: "READONLY_BUFFER",
};

/**
 * Reads one pickle of protocol 2 to 5 as data. The instructions are those that dictionaries of plain values
 * and tensors need. Nothing that a pickle names is imported or run: a name is looked up by `reader`, and all
 * others are refused, with their position. There is no recursion, memory is bounded by the number of bytes,
 * and a length is compared with what is left before anything is read.
 *
 * @param where Names the pickle in errors.
 * @param bytes The pickle, from `start` on; others may follow it.
 * @returns What it holds, and where it ends.
 * @throws {Error} It is malformed, cut short, or holds something else.
 */
export function readPickle(
  where: string,
  bytes: Uint8Array,
  reader: PickleReader,
  start = 0,
): { value: PickleValue; end: number } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const decoder = new TextDecoder("utf-8", { fatal: true });
  const memo = new Map<number, PickleValue>();
  const stack: PickleValue[] = [];
  const marks: number[] = [];
  let at = start;
  let from = start;

  const fail = (what: string): never => {
    throw new Error(`${what}, at byte ${from - start} of ${where}`);
  };
  const take = (count: number): number => {
    if (count > bytes.length - at) {
      fail(`${count} bytes are wanted, but ${bytes.length - at} are left`);
    }
    at += count;
    return at - count;
  };
  const u8 = () => bytes[take(1)];
  const u16 = () => view.getUint16(take(2), true);
  const u32 = () => view.getUint32(take(4), true);
  const u64 = () => {
    const length = view.getBigUint64(take(8), true);
    return length > BigInt(bytes.length) ? take(Number(length)) : Number(length);
  };
  const raw = (length: number) => bytes.subarray(take(length), at);
  const text = (length: number): string => {
    const part = raw(length);
    try {
      return decoder.decode(part);
    } catch {
      return fail("a text is not UTF-8");
    }
  };
  const line = (): string => {
    const end = bytes.indexOf(0x0a, at);
    if (end < 0 || end - at > 200) fail("a name has no end within 200 bytes");
    return text(end - at + 1).slice(0, -1);
  };
  const integer = (length: number): number | bigint => {
    if (length > longestInteger) {
      fail(`an integer of ${length} bytes, expected at most ${longestInteger}`);
    }
    let value = 0n;
    raw(length).forEach((byte, i) => value |= BigInt(byte) << BigInt(8 * i));
    value = BigInt.asIntN(8 * length, value);
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : value;
  };
  const pop = (): PickleValue => {
    if (stack.length <= (marks.at(-1) ?? 0)) fail("a value is missing");
    return stack.pop()!;
  };
  const popMark = (): PickleValue[] => {
    const mark = marks.pop();
    return mark === undefined ? fail("a mark is missing") : stack.splice(mark);
  };
  const tuple = (count: number) => {
    const values = Array.from({ length: count }, pop);
    stack.push(values.reverse());
  };
  const named = (name: string) => {
    if (!reader.knows(name)) {
      fail(`${show(name)} is named (only tensors and plain values are read, nothing is run)`);
    }
    stack.push(new PickleName(name));
  };
  const setItems = (pairs: PickleValue[]) => {
    const into = stack.at(-1);
    if (!(into instanceof Map) || pairs.length % 2 !== 0) fail("there is no dictionary to fill");
    for (let i = 0; i < pairs.length; i += 2) {
      (into as Map<PickleValue, PickleValue>).set(pairs[i], pairs[i + 1]);
    }
  };
  const append = (values: PickleValue[]) => {
    const into = stack.at(-1);
    if (!Array.isArray(into)) return fail("there is no list to fill");
    for (const value of values) into.push(value);
  };
  const remember = (slot: number) => {
    if (stack.length === 0) fail("a value is missing");
    memo.set(slot, stack.at(-1)!);
  };
  const recall = (slot: number) => {
    const value = memo.get(slot);
    stack.push(value === undefined ? fail(`nothing was kept under ${slot}`) : value);
  };
  const guarded = (make: () => PickleValue) => {
    try {
      stack.push(make());
    } catch (error) {
      fail((error as Error).message);
    }
  };
  const reduce = () => {
    const args = pop();
    const callee = pop();
    if (!(callee instanceof PickleName) || !Array.isArray(args)) {
      return fail("what is called is no name with a tuple");
    }
    guarded(() => reader.call(callee.name, args));
  };

  for (let count = 0; count < mostInstructions; count++) {
    from = at;
    const opcode = u8();
    switch (opcode) {
      case 0x80: { // PROTO
        const protocol = u8();
        if (protocol < 2 || protocol > 5) fail(`protocol ${protocol}, expected 2 to 5`);
        break;
      }
      case 0x95: // FRAME: a hint for buffers.
        u64();
        break;
      case 0x2e: { // STOP
        const value = pop();
        if (stack.length > 0) fail("values are left over");
        return { value, end: at };
      }
      case 0x28: // MARK
        marks.push(stack.length);
        break;
      case 0x30: // POP
        if (stack.length > 0 && stack.length === marks.at(-1)) marks.pop();
        else pop();
        break;
      case 0x31: // POP_MARK
        popMark();
        break;
      case 0x32: // DUP
        stack.push(pop());
        stack.push(stack.at(-1)!);
        break;
      case 0x4e: // NONE
        stack.push(null);
        break;
      case 0x88: // NEWTRUE
      case 0x89: // NEWFALSE
        stack.push(opcode === 0x88);
        break;
      case 0x4a: // BININT
        stack.push(view.getInt32(take(4), true));
        break;
      case 0x4b: // BININT1
        stack.push(u8());
        break;
      case 0x4d: // BININT2
        stack.push(u16());
        break;
      case 0x8a: // LONG1
        stack.push(integer(u8()));
        break;
      case 0x8b: // LONG4
        stack.push(integer(u32()));
        break;
      case 0x47: // BINFLOAT
        stack.push(view.getFloat64(take(8), false));
        break;
      case 0x8c: // SHORT_BINUNICODE
      case 0x55: // SHORT_BINSTRING, of Python 2
        stack.push(text(u8()));
        break;
      case 0x58: // BINUNICODE
      case 0x54: // BINSTRING
        stack.push(text(u32()));
        break;
      case 0x8d: // BINUNICODE8
        stack.push(text(u64()));
        break;
      case 0x43: // SHORT_BINBYTES
        stack.push(raw(u8()));
        break;
      case 0x42: // BINBYTES
        stack.push(raw(u32()));
        break;
      case 0x8e: // BINBYTES8
        stack.push(raw(u64()));
        break;
      case 0x5d: // EMPTY_LIST
      case 0x29: // EMPTY_TUPLE
        stack.push([]);
        break;
      case 0x7d: // EMPTY_DICT
        stack.push(new Map());
        break;
      case 0x6c: // LIST
      case 0x74: // TUPLE
        stack.push(popMark());
        break;
      case 0x64: { // DICT
        const pairs = popMark();
        stack.push(new Map());
        setItems(pairs);
        break;
      }
      case 0x85: // TUPLE1
      case 0x86: // TUPLE2
      case 0x87: // TUPLE3
        tuple(opcode - 0x84);
        break;
      case 0x61: // APPEND
        append([pop()]);
        break;
      case 0x65: // APPENDS
        append(popMark());
        break;
      case 0x73: { // SETITEM
        const value = pop();
        setItems([pop(), value]);
        break;
      }
      case 0x75: // SETITEMS
        setItems(popMark());
        break;
      case 0x71: // BINPUT
        remember(u8());
        break;
      case 0x72: // LONG_BINPUT
        remember(u32());
        break;
      case 0x94: // MEMOIZE
        remember(memo.size);
        break;
      case 0x68: // BINGET
        recall(u8());
        break;
      case 0x6a: // LONG_BINGET
        recall(u32());
        break;
      case 0x63: { // GLOBAL
        const module = line();
        named(`${module}.${line()}`);
        break;
      }
      case 0x93: { // STACK_GLOBAL
        const name = pop();
        const module = pop();
        if (typeof name !== "string" || typeof module !== "string") fail("a name is no text");
        named(`${module}.${name}`);
        break;
      }
      case 0x52: // REDUCE
        reduce();
        break;
      case 0x62: { // BUILD: attributes of a dictionary (a state dict's versions), which tensors do not need.
        pop();
        if (!(stack.at(-1) instanceof Map)) fail("an object's state, expected none");
        break;
      }
      case 0x51: { // BINPERSID
        const id = pop();
        guarded(() => reader.persistent(id));
        break;
      }
      default: {
        const hex = `0x${opcode.toString(16).padStart(2, "0")}`;
        fail(`instruction ${refused[opcode] ?? hex}, which tensors do not need`);
      }
    }
  }
  return fail(`more than ${mostInstructions} instructions`);
}

/** Names come from the file: long ones are cut. */
function show(name: string): string {
  return name.length > 60 ? `${name.slice(0, 60)}…` : name;
}
