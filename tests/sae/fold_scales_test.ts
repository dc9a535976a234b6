import { assertEquals, assertStrictEquals } from "@std/assert";
import { checkStitchable } from "../../lib/stitching/mod.ts";
import { createRandom, initializeSae, type Sae } from "../../mod.ts";
import { foldScales } from "../../lib/stitching/mod.ts";

function scaled(inputScale?: number): Sae {
  const random = createRandom(1);
  const shape = { architecture: "relu", dModel: 4, dictSize: 3, random } as const;
  const sae = initializeSae(shape);
  if (inputScale === undefined) return sae;
  return { ...sae, inputNormalization: "expected_average_only_in", inputScale };
}

Deno.test("foldScales: SAEs of different scales can be stitched", () => {
  const [a, b, c] = foldScales([scaled(2), scaled(4), scaled()]);
  checkStitchable(a, b);
  checkStitchable(b, c);
  assertEquals(b.wEnc, scaled().wEnc.map((w) => 4 * w));
});

Deno.test("foldScales leaves SAEs that agree, and those it cannot help", () => {
  for (
    const saes of [
      [scaled(2), scaled(2)],
      [scaled(), scaled()],
      [scaled(2), { ...scaled(), inputNormalization: "layer_norm" as const }],
    ]
  ) assertStrictEquals(foldScales(saes), saes);
});
