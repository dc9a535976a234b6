import { type Entry, join, makeNpy, makeZip } from "../zip_helper.ts";

const one = (lies: Partial<Entry> = {}): Entry => ({
  name: "W_enc.npy",
  data: makeNpy([2, 2], [1, 2, 3, 4]),
  ...lies,
});
const two = (lies: Partial<Entry> = {}): Entry => ({
  name: "W_dec.npy",
  data: makeNpy([2, 2], [1, 2, 3, 4]),
  ...lies,
});
/** A sound archive, so that what follows the first entry is read too. */
const sae = (lies: Partial<Entry>, more: Entry[] = []): Promise<Uint8Array> =>
  makeZip([
    one(lies),
    two(),
    ...["b_enc", "b_dec", "threshold"].map((name) => ({
      name: `${name}.npy`,
      data: makeNpy([2], [1, 2]),
    })),
    ...more,
  ]);
const text = (text: string) => new TextEncoder().encode(text);
/** An end record as it stands alone. */
const end = new Uint8Array([0x50, 0x4b, 5, 6, ...new Uint8Array(18)]);
const cut = async (left: (length: number) => number) => {
  const whole = await makeZip([one(), two()]);
  return whole.subarray(0, left(whole.length));
};
const garbage = new Uint8Array(400).map((_, i) => (i * 37 + 11) % 251);

/** Archives that are wrong as archives. */
export const zips: [what: string, bytes: () => Promise<Uint8Array> | Uint8Array][] = [
  ["empty file", () => new Uint8Array()],
  ["a text", () => text("this is no archive, but a text of some length")],
  ["cut in the first entry", () => cut(() => 100)],
  ["cut in the directory", () => cut((length) => length - 60)],
  ["cut by one byte", () => cut((length) => length - 1)],
  ["an end record alone", () => end],
  ["data before the archive", () => makeZip([one()], { before: text("MZ program") })],
  ["data after the archive", () => makeZip([one()], { after: text("more") })],
  ["a second end in the comment", () => makeZip([one()], { comment: end })],
  ["more entries claimed", () => makeZip([one()], { count: 2 })],
  ["fewer entries claimed", () => makeZip([one(), two()], { count: 1 })],
  ["65,535 entries claimed", () => makeZip([one()], { count: 65535 })],
  ["directory past the end", () => makeZip([one()], { directoryOffset: 2 ** 31 })],
  ["directory at the begin", () => makeZip([one()], { directoryOffset: 0 })],
  ["directory of 2 GiB claimed", () => makeZip([one()], { directorySize: 2 ** 31 })],
  ["one name twice", () => makeZip([one(), one()])],
  ["name leads up", () => makeZip([one({ name: "../W_enc.npy" })])],
  ["name is absolute", () => makeZip([one({ name: "/etc/W_enc.npy" })])],
  ["name of another drive", () => makeZip([one({ name: "C:\\W_enc.npy" })])],
  ["name in a folder", () => makeZip([one({ name: "a/W_enc.npy" })])],
  ["hidden name", () => makeZip([one({ name: ".W_enc.npy" })])],
  ["name with a zero byte", () => makeZip([one({ name: "W_enc\0.npy" })])],
  ["name of a line break", () => makeZip([one({ name: "W\nenc.npy" })])],
  ["no name", () => makeZip([one({ name: "" })])],
  ["name of 60,000 letters", () => makeZip([one({ name: "n".repeat(60000) })])],
  ["a folder", () => makeZip([one({ name: "W_enc/", data: new Uint8Array() })])],
  ["encrypted", () => makeZip([one({ flags: 1 })])],
  ["strongly encrypted", () => makeZip([one({ flags: 0x41 })])],
  ["method 12 (bzip2)", () => makeZip([one({ method: 12 })])],
  ["method 99", () => makeZip([one({ method: 99 })])],
  ["stored, larger size claimed", () => sae({ size: 1000 })],
  ["stored, smaller size claimed", () => sae({ size: 50 })],
  ["stored, both sizes past the end", () => sae({ size: 2 ** 31, compressedSize: 2 ** 31 })],
  ["local name differs", () => sae({ localName: "W_dec.npy" })],
  ["local size differs", () => sae({ localSize: 100 })],
  ["wrong checksum", () => sae({ crc: 1 })],
  ["two entries in the same bytes", () => makeZip([one(), two({ offset: 0 })])],
  ["entry begins in another", () => makeZip([one(), two({ offset: 40 })])],
  ["offset past the end", () => makeZip([one({ offset: 2 ** 31 })])],
  ["101 entries", () => makeZip(Array.from({ length: 101 }, (_, i) => one({ name: `${i}.npy` })))],
  ["bomb: 32 MiB of zeros", () => sae({ method: 8, data: new Uint8Array(2 ** 25) })],
  [
    "bomb: 4 GiB claimed of 100 bytes",
    () => sae({ method: 8, size: 2 ** 32 - 2, data: new Uint8Array(1000) }),
  ],
  [
    "bomb: small size claimed, 32 MiB inside",
    () => sae({ method: 8, size: 144, data: join([one().data, new Uint8Array(2 ** 25)]) }),
  ],
  ["deflated, larger size claimed", () => sae({ method: 8, size: 145 })],
  ["deflated, smaller size claimed", () => sae({ method: 8, size: 100 })],
  [
    "deflate of garbage",
    async () => {
      const bytes = await sae({ method: 8 });
      bytes.set(garbage.subarray(0, 40), 39);
      return bytes;
    },
  ],
  ["a text among the arrays", () => sae({}, [{ name: "README.txt", data: text("hello") }])],
  ["a pickle's archive", () => makeZip([{ name: "archive/data.pkl", data: garbage }])],
];
