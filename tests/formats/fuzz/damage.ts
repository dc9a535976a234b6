import type { Random } from "../../../lib/random.ts";

/** What was done to a file's bytes, in words that say where. */
export interface Damage {
  what: string;
  bytes: Uint8Array<ArrayBuffer>;
}

/** Turns one bit over. */
export function flipBit(bytes: Uint8Array<ArrayBuffer>, random: Random): Damage {
  const bit = random.below(8 * bytes.length);
  const damaged = bytes.slice();
  damaged[bit >> 3] ^= 1 << (bit & 7);
  return { what: `bit ${bit & 7} of byte ${bit >> 3} flipped`, bytes: damaged };
}

const numbers = ["-1", "0", "1e999", "1.5", "9007199254740993", "4294967296", '"7"', "null", "[]"];

type Kind = (bytes: Uint8Array<ArrayBuffer>, random: Random) => Damage;

/** Ways in which files become malformed. */
const kinds: Kind[] = [
  (bytes, random) => {
    const length = random.below(bytes.length);
    return { what: `cut after ${length} bytes`, bytes: bytes.slice(0, length) };
  },
  (bytes, random) => {
    const [from, to] = range(bytes, random);
    return { what: `bytes ${from} to ${to} missing`, bytes: join(bytes, from, [], to) };
  },
  (bytes, random) => {
    const [from, to] = range(bytes, random);
    return { what: `bytes ${from} to ${to} twice`, bytes: join(bytes, to, [from, to], to) };
  },
  (bytes, random) => {
    const [from, to] = range(bytes, random);
    const fill = [0, 0xff, 0x20, 0x7b][random.below(4)];
    const damaged = bytes.slice().fill(fill, from, to);
    return { what: `bytes ${from} to ${to} are ${fill}`, bytes: damaged };
  },
  (bytes, random) => {
    const [from, to] = range(bytes, random);
    const damaged = bytes.slice();
    for (let i = from; i < to; i++) damaged[i] = random.below(256);
    return { what: `bytes ${from} to ${to} at random`, bytes: damaged };
  },
  (bytes, random) => {
    const more = Uint8Array.from({ length: 1 + random.below(40) }, () => random.below(256));
    const damaged = new Uint8Array([...bytes, ...more]);
    return { what: `${more.length} bytes behind the end`, bytes: damaged };
  },
  (bytes, random) => {
    // Latin-1 keeps every byte, whatever the file is.
    const text = Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
    const found = [...text.matchAll(/\d+(\.\d+)?/g)];
    if (found.length === 0) return { what: "empty", bytes: new Uint8Array() };
    const { index, 0: number } = found[random.below(found.length)];
    const by = numbers[random.below(numbers.length)];
    const damaged = text.slice(0, index) + by + text.slice(index + number.length);
    return {
      what: `the number ${number} at ${index} is ${by}`,
      bytes: Uint8Array.from(damaged, (character) => character.charCodeAt(0)),
    };
  },
];

/** Makes a file malformed in one of seven ways. */
export function malform(bytes: Uint8Array<ArrayBuffer>, random: Random): Damage {
  return kinds[random.below(kinds.length)](bytes, random);
}

function range(bytes: Uint8Array, random: Random): [from: number, to: number] {
  const from = random.below(bytes.length);
  return [from, Math.min(bytes.length, from + 1 + random.below(64))];
}

function join(
  bytes: Uint8Array<ArrayBuffer>,
  first: number,
  [from, to]: number[],
  last: number,
): Uint8Array<ArrayBuffer> {
  const middle = from === undefined ? [] : bytes.subarray(from, to);
  return new Uint8Array([...bytes.subarray(0, first), ...middle, ...bytes.subarray(last)]);
}
