import { join } from "@std/path";
import { type Entry, join as joinBytes, makeZip, numbers } from "../zip_helper.ts";
import type { Malformed } from "./malformed.ts";

/** Instructions of pickles, by Python's names. */
const text = (text: string) => new TextEncoder().encode(text);
const bytes = (...values: number[]) => Uint8Array.from(values);
const proto = bytes(0x80, 2);
const stop = bytes(0x2e);
const named = (name: string) => text(`c${name.replace(/\.(\w+)$/, "\n$1")}\n`);
const word = (value: string) => joinBytes([bytes(0x58), numbers([4, value.length]), text(value)]);
const int = (value: number) => joinBytes([bytes(0x4a), numbers([4, value])]);
const tuple = (...values: Uint8Array[]) => joinBytes([bytes(0x28), ...values, bytes(0x74)]);
const call = (name: string, args: Uint8Array) => joinBytes([named(name), args, bytes(0x52)]);
const pickle = (...parts: Uint8Array[]) => joinBytes([proto, ...parts, stop]);
const dict = (...pairs: Uint8Array[]) => joinBytes([bytes(0x7d, 0x28), ...pairs, bytes(0x75)]);

interface TensorLies {
  type?: string;
  key?: string;
  count?: number;
  offset?: number;
  shape?: number[];
  strides?: number[];
}
const tensor = (
  {
    type = "torch.FloatStorage",
    key = "0",
    count = 4,
    offset = 0,
    shape = [2, 2],
    strides = [2, 1],
  }: TensorLies = {},
) =>
  call(
    "torch._utils._rebuild_tensor_v2",
    tuple(
      joinBytes([
        tuple(word("storage"), named(type), word(key), word("cpu"), int(count)),
        bytes(0x51),
      ]),
      int(offset),
      tuple(...shape.map(int)),
      tuple(...strides.map(int)),
      bytes(0x89),
      call("collections.OrderedDict", bytes(0x29)),
    ),
  );

const sound = pickle(dict(word("W_enc"), tensor()));
const floats = new Uint8Array(new Float32Array([1, 2, 3, 4]).buffer);
const entries = (data: Uint8Array, more: Entry[] = [], storage: Partial<Entry> = {}): Entry[] => [
  { name: "a/data.pkl", data },
  { name: "a/byteorder", data: text("little") },
  { name: "a/data/0", data: floats, ...storage },
  ...more,
];
const archive = (data: Uint8Array, more?: Entry[], storage?: Partial<Entry>) =>
  makeZip(entries(data, more, storage));
const repeated = (length: number, ...values: number[]) =>
  Uint8Array.from({ length }, (_, i) => values[i % values.length]);

/** The magic number of the form before PyTorch 1.6, and what follows it. */
const magic = bytes(0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19);
const legacy = (
  {
    protocol = 1001,
    little = 0x88,
    object = sound,
    keys = tuple(word("0")),
    count = 4,
    data = floats,
  }: {
    protocol?: number;
    little?: number;
    object?: Uint8Array;
    keys?: Uint8Array;
    count?: number;
    data?: Uint8Array;
  },
) =>
  joinBytes([
    pickle(magic),
    pickle(int(protocol)),
    pickle(dict(word("little_endian"), bytes(little))),
    object,
    pickle(keys),
    numbers([4, count], [4, 0]),
    data,
  ]);

const files: [what: string, bytes: () => Promise<Uint8Array> | Uint8Array][] = [
  // What a pickle can run where it is opened by Python.
  ["posix.system", () => archive(pickle(call("posix.system", tuple(word("id")))))],
  ["builtins.eval", () => archive(pickle(call("builtins.eval", tuple(word("1")))))],
  [
    "subprocess.Popen by STACK_GLOBAL",
    () =>
      archive(
        pickle(word("subprocess"), word("Popen"), bytes(0x93), tuple(word("id")), bytes(0x52)),
      ),
  ],
  ["torch.load in torch", () => archive(pickle(call("torch.load", tuple(word("x.pt")))))],
  ["a class instance", () => archive(pickle(named("collections.OrderedDict"), bytes(0x29, 0x81)))],
  ["INST", () => archive(pickle(bytes(0x28), text("iposix\nsystem\n")))],
  ["a registered class", () => archive(pickle(bytes(0x82, 1)))],
  ["a name of its own dict", () => archive(pickle(named("torch.__proto__")))],
  [
    "an OrderedDict with content",
    () => archive(pickle(call("collections.OrderedDict", tuple(int(1))))),
  ],
  ["a storage's class called", () => archive(pickle(call("torch.FloatStorage", tuple(int(1)))))],
  ["a string called", () => archive(pickle(word("x"), bytes(0x29, 0x52)))],
  ["a set", () => archive(pickle(bytes(0x8f)))],
  ["a buffer from outside", () => archive(pickle(bytes(0x97)))],
  ["state of a tensor", () => archive(pickle(tensor(), dict(), bytes(0x62)))],
  ["one tensor, no dictionary", () => archive(pickle(tensor()))],
  ["a number, no dictionary", () => archive(pickle(int(1)))],
  ["a key that is no text", () => archive(pickle(dict(int(1), int(2))))],
  ["no tensors", () => archive(pickle(dict(word("k"), int(2))))],
  // Lengths and numbers that lie.
  ["empty", () => archive(bytes())],
  ["cut within a name", () => archive(joinBytes([proto, text("ctorch\nFloatSto")]))],
  ["no end", () => archive(sound.slice(0, -1))],
  ["continues after its end", () => archive(joinBytes([sound, sound]))],
  ["protocol 1", () => archive(bytes(0x80, 1, 0x4e, 0x2e))],
  ["protocol 99", () => archive(bytes(0x80, 99, 0x4e, 0x2e))],
  ["a text of 4 GiB announced", () => archive(pickle(bytes(0x58, 255, 255, 255, 255)))],
  ["a text of 2^63 bytes announced", () => archive(pickle(bytes(0x8d, 0, 0, 0, 0, 0, 0, 0, 128)))],
  ["an integer of 2 GiB announced", () => archive(pickle(bytes(0x8b, 255, 255, 255, 127)))],
  ["a text that is not UTF-8", () => archive(pickle(bytes(0x58, 1, 0, 0, 0, 255)))],
  ["a value that was never kept", () => archive(pickle(bytes(0x68, 7)))],
  ["POP of nothing", () => archive(pickle(bytes(0x30)))],
  ["TUPLE without a mark", () => archive(pickle(bytes(0x74)))],
  ["values below a mark", () => archive(pickle(bytes(0x4e, 0x28, 0x85)))],
  ["values left over", () => archive(pickle(bytes(0x4e, 0x4e)))],
  ["SETITEMS of a list", () => archive(pickle(bytes(0x5d, 0x28, 0x4e, 0x4e, 0x75)))],
  ["APPEND to a dictionary", () => archive(pickle(bytes(0x7d, 0x4e, 0x61)))],
  // Bombs.
  [
    "300,000 dictionaries",
    () => archive(pickle(bytes(0x28), repeated(300_000, 0x7d), bytes(0x74))),
  ],
  ["tuples 150,000 deep", () => archive(pickle(bytes(0x29), repeated(150_000, 0x85)))],
  ["tuples that double 30 times", () => archive(pickle(bytes(0x29), repeated(60, 0x32, 0x86)))],
  ["a list that holds itself", () => archive(pickle(bytes(0x5d, 0x32, 0x61)))],
  [
    "kept 150,000 times",
    () => archive(pickle(bytes(0x4e), repeated(150_000 * 5, 0x72, 255, 255, 255, 255))),
  ],
  ["5 MiB of pickle", () => archive(pickle(repeated(5 * 2 ** 20, 0x4e)))],
  // Tensors that lie.
  ["a storage that is not there", () => archive(pickle(dict(word("W_enc"), tensor({ key: "1" }))))],
  ["a key that leads out", () => archive(pickle(dict(word("a"), tensor({ key: "../../x" }))))],
  ["a storage of objects", () => archive(pickle(dict(word("a"), tensor({ type: "torch.Size" }))))],
  [
    "an untyped storage",
    () => archive(pickle(dict(word("a"), tensor({ type: "torch.storage.UntypedStorage" })))),
  ],
  [
    "more elements than its storage",
    () => archive(pickle(dict(word("a"), tensor({ shape: [3, 2] })))),
  ],
  ["an offset past the end", () => archive(pickle(dict(word("a"), tensor({ offset: 1 }))))],
  ["a negative offset", () => archive(pickle(dict(word("a"), tensor({ offset: -1 }))))],
  [
    "a storage larger than its entry",
    () =>
      archive(
        pickle(
          dict(
            word("a"),
            tensor({ count: 2 ** 30, shape: [2 ** 15, 2 ** 15], strides: [2 ** 15, 1] }),
          ),
        ),
      ),
  ],
  ["a size of 2^31 − 1 four times", () =>
    archive(pickle(dict(
      word("a"),
      tensor({ shape: Array(4).fill(2 ** 31 - 1), strides: [1, 1, 1, 1] }),
    )))],
  [
    "one number for 4 million",
    () => archive(pickle(dict(word("a"), tensor({ shape: [2048, 2048], strides: [0, 0] })))),
  ],
  ["strides that overlap", () => archive(pickle(dict(word("a"), tensor({ strides: [1, 1] }))))],
  [
    "a step past the end",
    () => archive(pickle(dict(word("a"), tensor({ shape: [2], strides: [4] })))),
  ],
  [
    "a stride of 2^31 − 1",
    () => archive(pickle(dict(word("a"), tensor({ strides: [2 ** 31 - 1, 2] })))),
  ],
  ["a negative stride", () => archive(pickle(dict(word("a"), tensor({ strides: [-2, 1] }))))],
  [
    "an offset past the end of a stepped view",
    () => archive(pickle(dict(word("a"), tensor({ offset: 2, shape: [2], strides: [2] })))),
  ],
  [
    "one element held by a permuted view twice",
    () => archive(pickle(dict(word("a"), tensor({ shape: [2, 1, 2], strides: [1, 9, 1] })))),
  ],
  ["strides of another rank", () => archive(pickle(dict(word("a"), tensor({ strides: [1] }))))],
  [
    "9 dimensions",
    () =>
      archive(
        pickle(dict(word("a"), tensor({ shape: Array(9).fill(1), strides: Array(9).fill(1) }))),
      ),
  ],
  [
    "one storage named in two ways",
    () =>
      archive(
        pickle(
          dict(word("a"), tensor(), word("b"), tensor({ count: 2, shape: [2], strides: [1] })),
        ),
      ),
  ],
  // The archive.
  ["two folders", () => archive(sound, [{ name: "b/data/1", data: floats }])],
  ["no pickle", () => makeZip(entries(sound).slice(1))],
  ["an entry that leads out", () => archive(sound, [{ name: "../data/1", data: floats }])],
  ["TorchScript's code", () => archive(sound, [{ name: "a/code/x.py", data: text("import os") }])],
  [
    "numbers of another byte order",
    () =>
      makeZip(
        entries(sound).map((one) =>
          one.name === "a/byteorder" ? { ...one, data: text("big") } : one
        ),
      ),
  ],
  ["two pickles", () => archive(sound, [{ name: "a/data.pkl", data: sound }])],
  ["a storage in the bytes of the pickle", () => archive(sound, [], { offset: 0 })],
  ["a storage that ends early", () => archive(sound, [], { data: floats.slice(0, 12) })],
  ["a bomb for a storage", () => archive(sound, [], { method: 8, data: new Uint8Array(2 ** 25) })],
  ["cut in the middle", async () => {
    const whole = await archive(sound);
    return whole.subarray(0, whole.length / 2);
  }],
  ["data after the archive", () => makeZip(entries(sound), { after: text("more") })],
  // The form before PyTorch 1.6.
  ["legacy: another magic number", () => pickle(int(1))],
  ["legacy: posix.system in front", () => pickle(call("posix.system", tuple(word("id"))))],
  ["legacy: protocol 1002", () => legacy({ protocol: 1002 })],
  ["legacy: big-endian", () => legacy({ little: 0x89 })],
  ["legacy: no list of storages", () => legacy({ keys: int(1) })],
  ["legacy: a storage that no tensor names", () => legacy({ keys: tuple(word("7")) })],
  ["legacy: a storage that is not listed", () => legacy({ keys: bytes(0x29), data: bytes() })],
  ["legacy: another number of elements", () => legacy({ count: 3 })],
  ["legacy: cut in a storage", () => legacy({ data: floats.slice(0, 15) })],
  ["legacy: continues after its end", () => legacy({ data: joinBytes([floats, floats]) })],
  ["legacy: a view of a storage", () =>
    legacy({
      object: pickle(
        tuple(
          ...[word("storage"), named("torch.FloatStorage"), word("0"), word("cpu"), int(4)],
          tuple(word("1"), int(0), int(1)),
        ),
        bytes(0x51),
      ),
    })],
];

/** Malformed files of `torch.save`, each as a file that stands alone. */
export const torchFiles: Malformed[] = files.map(([what, make]) => ({
  format: "torch",
  what,
  async make(folder) {
    const path = join(folder, "sae.pt");
    await Deno.writeFile(path, await make());
    return path;
  },
}));
