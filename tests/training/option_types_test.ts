// An option of another architecture is an error of types, and one of the program where types are not checked.
import { assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import { openDevice } from "../../lib/device/open_device.ts";
import { checkTrainOptions } from "../../lib/training/complete_options.ts";
import type { AnyTrainOptions, TrainOptions } from "../../lib/training/options.ts";
import { trainSae } from "../../lib/training/train_sae.ts";
import { randomMatrix } from "../gpu_helper.ts";

const k = 2;
const dictSize = 8;
const batchtopk = { architecture: "batchtopk", dictSize, k } as const;
const relu = { architecture: "relu", dictSize, sparsityCoefficient: 1 } as const;

/** Each line without its comment would be accepted: what types say is what the program says. */
const REFUSED: [TrainOptions, string][] = [
  // @ts-expect-error: k is none of relu's options
  [{ ...relu, k }, "k is 2, relu has none"],
  // @ts-expect-error: nor of jumprelu's
  [{ architecture: "jumprelu", dictSize, targetL0: 4, k }, "k is 2, jumprelu has none"],
  // @ts-expect-error: topk has no sparsity loss
  [{ architecture: "topk", dictSize, k, bandwidth: 0.1 }, "bandwidth is 0.1, topk has none"],
  // @ts-expect-error: relu has no window either
  [{ ...relu, bandwidth: 0.1 }, "bandwidth is 0.1, relu has none"],
  // @ts-expect-error: batchtopk has no λ
  [{ ...batchtopk, sparsityCoefficient: 1 }, "sparsityCoefficient is 1, batchtopk has none"],
  // @ts-expect-error: nested prefixes are Matryoshka's
  [{ ...batchtopk, prefixes: [4, 8] }, "prefixes is 4,8, batchtopk has none"],
  // @ts-expect-error: options of another architecture do not go away by naming this one
  [{ ...batchtopk, architecture: "relu" }, "k is 2, relu has none"],
  [
    // @ts-expect-error: there is no such architecture
    { ...batchtopk, architecture: "gated" },
    "architecture is gated, expected",
  ],
];

const FINE: TrainOptions[] = [
  batchtopk,
  relu,
  { ...batchtopk, architecture: "topk" },
  { ...batchtopk, architecture: "matryoshka_batchtopk", prefixes: [4, 8] },
  { architecture: "jumprelu", dictSize, targetL0: 2, bandwidth: 0.1, k: undefined },
];

Deno.test("options of another architecture are refused by types and at run time", async () => {
  using device = await openDevice({ device: "cpu", workers: 0 });
  const batches = [randomMatrix(1, 16, 4)];
  for (const [options, text] of REFUSED) {
    await assertRejects(() => trainSae(device, batches, options), RangeError, text);
  }
  for (const options of FINE) await trainSae(device, batches, options);
});

Deno.test("options that are data are checked and become options of training", () => {
  const read: AnyTrainOptions = JSON.parse(JSON.stringify(batchtopk));
  const checked: TrainOptions = checkTrainOptions(read);
  assertStrictEquals(checked, read);
  // @ts-expect-error: what is not checked is no TrainOptions
  const unchecked: TrainOptions = { ...read };
  assertThrows(
    () => checkTrainOptions({ ...unchecked, targetL0: 4 } as AnyTrainOptions),
    RangeError,
  );
  assertThrows(
    () => checkTrainOptions({ architecture: "relu", dictSize, k }),
    RangeError,
    "k is 2, relu has none",
  );
});
