import { assert, assertEquals, assertThrows } from "@std/assert";
import { encode, reconstruct } from "../../lib/sae/encode.ts";
import { foldInputScale } from "../../lib/sae/fold_input_scale.ts";

import type { Sae } from "../../lib/sae/sae.ts";
import { checkStitchable } from "../../lib/stitching/check_stitchable.ts";
import { stitch } from "../../lib/stitching/stitch.ts";
import { assertClose, openGpu, randomMatrix } from "../gpu_helper.ts";
import { makeSae } from "./made_saes.ts";

const metadata = {
  model: "gpt2",
  hook: "blocks.8.hook_resid_pre",
  contextSize: 128,
  prependBos: true,
};

/** An SAE with decoder rows of norm 1 and all metadata. */
function sound(seed: number, m: number, more: Partial<Sae> = {}): Sae {
  const wDec = new Float32Array(m * 3);
  for (let i = 0; i < m; i++) wDec[3 * i + (i + seed) % 3] = 1;
  const sae = makeSae({ architecture: "jumprelu", seed, d: 3, m });
  return { ...sae, wDec, bDec: Float32Array.of(1, 2, 3), metadata, ...more };
}

const withMetadata = (more: Record<string, unknown>) => ({ metadata: { ...metadata, ...more } });

Deno.test("SAEs of one model and hook are stitchable without a warning", () => {
  assertEquals(checkStitchable(sound(1, 4), sound(2, 9)), []);
  assertEquals(checkStitchable(sound(1, 4), sound(2, 4)), []);
  const post = sound(1, 4, withMetadata({ hook: "blocks.7.hook_resid_post" }));
  assertEquals(checkStitchable(post, sound(2, 9)), []);
  assertEquals(checkStitchable(sound(2, 4), { ...post }), []);
});

Deno.test("what cannot be stitched is refused with the reason", () => {
  const scaled = { inputNormalization: "expected_average_only_in", inputScale: 2 } as const;
  const cases: [Sae, Sae, string][] = [
    [
      sound(1, 4),
      makeSae({ architecture: "relu", seed: 1, d: 4, m: 9 }),
      "large.dModel is 4, expected 3 as the small SAE has",
    ],
    [
      sound(1, 4),
      sound(2, 9, { inputNormalization: "layer_norm" }),
      "large.inputNormalization is layer_norm, expected none as the small SAE has: their decoders " +
      "have different units",
    ],
    [
      sound(1, 4, scaled),
      sound(2, 9),
      "large.inputNormalization is none, expected expected_average_only_in as the small SAE has: " +
      "their decoders have different units. Fold",
    ],
    [
      sound(1, 4, scaled),
      sound(2, 9, { ...scaled, inputScale: 2.5 }),
      "large.inputScale is 2.5, expected 2 as the small SAE has",
    ],
    [
      sound(1, 4),
      sound(2, 9, withMetadata({ model: "gpt2-medium" })),
      `large.metadata.model is "gpt2-medium", expected "gpt2" as the small SAE has`,
    ],
    [
      sound(1, 4),
      sound(2, 9, withMetadata({ hook: "blocks.8.hook_resid_post" })),
      `large.metadata.hook is "blocks.8.hook_resid_post", expected "blocks.8.hook_resid_pre"`,
    ],
    [
      sound(1, 4, { inputTransform: "center" }),
      sound(2, 9),
      "large.inputTransform is none, expected center as the small SAE has",
    ],
    [sound(1, 4, { bDec: new Float32Array(2) }), sound(2, 9), "small.bDec has 2 numbers"],
    [sound(1, 4), sound(2, 9, { bDec: new Float32Array(2) }), "large.bDec has 2 numbers"],
  ];
  for (const [small, large, text] of cases) {
    for (
      const run of [checkStitchable, (a: Sae, b: Sae) => stitch(a, b, { small: [0], large: [0] })]
    ) {
      const error = assertThrows(() => run(small, large), RangeError);
      assertEquals(error.message.slice(0, text.length), text);
    }
  }
  const layer = { inputNormalization: "layer_norm" } as const;
  const error = assertThrows(() => checkStitchable(sound(1, 4, layer), sound(2, 9)), RangeError);
  assert(!error.message.includes("Fold"), "nothing can be folded there");
});

Deno.test("what is no obstacle is a warning", () => {
  const long = sound(2, 9);
  long.wDec[0] = 3;
  long.wDec[25] = 0.1;
  const folded = sound(2, 9);
  folded.wDec = folded.wDec.map((w) => 30 * w);
  const cases: [Sae, Sae, string[]][] = [
    [
      sound(1, 4, withMetadata({ model: undefined })),
      sound(2, 9),
      ["the model of the small SAE is not known: it is assumed to be the same"],
    ],
    [
      sound(1, 4),
      sound(2, 9, withMetadata({ hook: 7 })),
      ["the hook of the large SAE is not known: it is assumed to be the same"],
    ],
    [
      sound(1, 4, { metadata: {} }),
      sound(2, 9, { metadata: {} }),
      ["model", "hook"].map((key) =>
        `the ${key} of the small and the large SAE is not known: it is assumed to be the same`
      ),
    ],
    [
      sound(1, 4, withMetadata({ model: "Xenova/gpt2" })),
      sound(2, 9, withMetadata({ model: "/models/gpt2/" })),
      [`the models "Xenova/gpt2" and "/models/gpt2/" are assumed to be the same`],
    ],
    [
      sound(1, 4),
      sound(2, 9, withMetadata({ contextSize: 64, prependBos: false })),
      [
        "the context size in training differs (small: 128, large: 64)",
        "the use of a BOS token in training differs (small: true, large: false)",
      ],
    ],
    [
      sound(1, 4, { architecture: "relu", threshold: undefined }),
      sound(2, 9),
      ["the small SAE is relu, the large one jumprelu"],
    ],
    [
      sound(1, 4),
      sound(2, 9, { bDec: Float32Array.of(1, 2, -3) }),
      ["the decoder biases differ (cosine -0.286, norms by 0 %): Eq. 5 mixes them"],
    ],
    [
      sound(1, 4, { bDec: new Float32Array(3) }),
      sound(2, 9),
      ["the decoder biases differ (cosine 0.000, norms by 100 %): Eq. 5 mixes them"],
    ],
    [sound(1, 4, { bDec: new Float32Array(3) }), sound(2, 9, { bDec: new Float32Array(3) }), []],
    [
      sound(1, 4, withMetadata({ training: { seed: 3 } })),
      sound(2, 9, withMetadata({ training: { seed: 3 } })),
      ["both SAEs were trained from seed 3: their first latents started from the same directions"],
    ],
    [
      sound(1, 4, withMetadata({ training: { seed: 3 } })),
      sound(2, 9, withMetadata({ training: { seed: 4 } })),
      [],
    ],
    [sound(1, 4, withMetadata({ training: {} })), sound(2, 9, withMetadata({ training: {} })), []],
    [sound(1, 9), sound(2, 4), ["the small SAE has more latents (9) than the large one (4)"]],
    [
      sound(1, 4),
      long,
      ["2 of the large SAE's 9 decoder rows do not have norm 1 (0.100 to 3.16)"],
    ],
    // As a folded scale of the input leaves them.
    [sound(1, 4), folded, []],
    [
      sound(1, 4, { wDec: new Float32Array(12) }),
      sound(2, 9),
      ["4 of the small SAE's 4 decoder rows do not have norm 1 (0.00 to 0.00)"],
    ],
  ];
  for (const [small, large, expected] of cases) {
    const found = checkStitchable(small, large);
    assertEquals(found.length, expected.length, found.join("\n"));
    expected.forEach((text, at) => assertEquals(found[at].slice(0, text.length), text));
  }
});

Deno.test("SAEs with other input scales can be stitched once these are folded", async () => {
  using gpu = await openGpu();
  const normalization = "expected_average_only_in";
  const options = { seed: 4, d: 5, m: 12, normalization } as const;
  const x = randomMatrix(1, 9, 5);
  const folded = [
    makeSae({ ...options, architecture: "jumprelu", inputScale: 0.4 }),
    makeSae({ ...options, architecture: "relu", inputScale: 2.1, subtractDecoderBias: false }),
  ].map((sae) => ({ sae, own: foldInputScale(sae) }));
  for (const { sae, own } of folded) {
    assertEquals([own.inputNormalization, "inputScale" in own], ["none", false]);
    const [codes, expected] = [await encode(gpu, own, x), await encode(gpu, sae, x)];
    assertEquals(codes.latents, expected.latents);
    assertClose(codes.values, expected.values, "values", 1e-5);
    const [a, b] = [await reconstruct(gpu, own, x), await reconstruct(gpu, sae, x)];
    assertClose(a.data, b.data, "reconstruction", 1e-5);
    assertEquals(foldInputScale(own), own);
  }
  const [small, large] = folded;
  assertThrows(() => checkStitchable(small.sae, large.sae), RangeError, "large.inputScale is 2.1");
  checkStitchable(small.own, large.own);
  assertThrows(
    () => foldInputScale({ ...small.own, inputNormalization: "layer_norm" }),
    RangeError,
    "sae.inputNormalization is layer_norm, expected expected_average_only_in",
  );
});
