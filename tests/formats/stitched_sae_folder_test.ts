import { assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { loadStitchedSae, saveStitchedSae } from "../../lib/formats/stitched_sae_folder.ts";

import { encode, reconstruct } from "../../lib/sae/encode.ts";
import { stitch } from "../../lib/stitching/stitch.ts";
import { assertClose, openTestDevice, randomMatrix } from "../gpu_helper.ts";
import { ARCHITECTURES, choose, makeSae } from "../stitching/made_saes.ts";

/** Normalisations that are not folded into the weights. */
const KINDS = ["none", "layer_norm", "constant_norm_rescale"] as const;

const example = () =>
  stitch(
    makeSae({ architecture: "topk", seed: 1, d: 4, m: 6 }),
    makeSae({ architecture: "batchtopk", seed: 2, d: 4, m: 9 }),
    { small: [5, 0], large: [3] },
  );

Deno.test("a stitched SAE comes back bit by bit, and so does what it makes of samples", async () => {
  using gpu = await openTestDevice();
  const folder = join(await Deno.makeTempDir(), "new", "folder");
  const x = randomMatrix(5, 8, 4);
  for (const [at, architecture] of ARCHITECTURES.entries()) {
    const normalization = KINDS[at % 3];
    const small = makeSae({ architecture, seed: at, d: 4, m: 7, normalization });
    const large = makeSae({ architecture: "jumprelu", seed: 9, d: 4, m: 11, normalization });
    const stitched = stitch(small, large, { small: choose(1, 7, at), large: choose(2, 11, 4) });
    await saveStitchedSae(stitched, folder);
    const loaded = await loadStitchedSae(folder);
    assertEquals(loaded, stitched);
    assertEquals(await encode(gpu, loaded, x), await encode(gpu, stitched, x));
    assertEquals(await reconstruct(gpu, loaded, x), await reconstruct(gpu, stitched, x));
  }
  const names = (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name).sort();
  assertEquals(names, ["large", "small", "stitched.json"]);
});

Deno.test("SAEs with an input scale, which is stored folded into their weights, come back to a rounding", async () => {
  using gpu = await openTestDevice();
  const folder = await Deno.makeTempDir();
  const shared = { d: 4, m: 7, normalization: "expected_average_only_in" } as const;
  const small = makeSae({ ...shared, architecture: "topk", seed: 1 });
  const large = makeSae({ ...shared, architecture: "relu", seed: 2 });
  const stitched = stitch(small, large, { small: [1, 5, 6], large: [0, 2] });
  await saveStitchedSae(stitched, folder);
  const loaded = await loadStitchedSae(folder);
  assertEquals([loaded.small.inputScale, loaded.large.inputScale], [1.7, 1.7]);
  const x = randomMatrix(5, 8, 4);
  const [own, expected] = [await encode(gpu, loaded, x), await encode(gpu, stitched, x)];
  assertEquals([own.rowOffsets, own.latents], [expected.rowOffsets, expected.latents]);
  assertClose(own.values, expected.values, "codes", 1e-5);
  const [a, b] = [await reconstruct(gpu, loaded, x), await reconstruct(gpu, stitched, x)];
  assertClose(a.data, b.data, "reconstruction", 1e-5);
});

Deno.test("saving that is interrupted leaves nothing that loads as another SAE", async () => {
  const folder = await Deno.makeTempDir();
  await saveStitchedSae(example(), folder);
  const other = stitch(
    makeSae({ architecture: "relu", seed: 3, d: 4, m: 6 }),
    makeSae({ architecture: "relu", seed: 4, d: 4, m: 9 }),
    { small: [1], large: [1] },
  );
  // The second SAE cannot be written: the first is in its place by then.
  await Deno.remove(join(folder, "large"), { recursive: true });
  await Deno.writeTextFile(join(folder, "large"), "a file");
  await assertRejects(() => saveStitchedSae(other, folder), Error, "cannot save an SAE to");
  await assertRejects(
    () => loadStitchedSae(folder),
    Error,
    "stitched.json: there is no such file (was saving it interrupted?)",
  );
});

Deno.test("a stitched SAE that cannot be stored is refused before anything is written", async () => {
  const folder = await Deno.makeTempDir();
  await saveStitchedSae(example(), folder);
  const { small, large } = example();
  const bare = { ...large, threshold: undefined };
  for (
    const [bad, text] of [
      [stitch(small, bare, { small: [0], large: [0] }), "large: threshold is missing"],
      [stitch(bare, large, { small: [0], large: [0] }), "small: threshold is missing"],
      [{ ...example(), smallLatents: Uint32Array.of(6) }, "smallLatents[0] is 6"],
    ] as const
  ) {
    await assertRejects(() => saveStitchedSae(bad, folder), Error, text);
    assertEquals(await loadStitchedSae(folder), example());
  }
});

Deno.test("folders that hold no stitched SAE, or a broken one, are refused with the reason", async () => {
  const folder = await Deno.makeTempDir();
  await saveStitchedSae(example(), folder);
  const file = (text: string) => Deno.writeTextFile(join(folder, "stitched.json"), text);
  const list = (smallLatents: unknown, largeLatents: unknown) =>
    JSON.stringify({ format: 1, smallLatents, largeLatents });
  const cases: [string, string][] = [
    ["{", "stitched.json is not JSON"],
    ["null", "stitched.json has format undefined, this version reads 1"],
    [`{ "format": 2 }`, "stitched.json has format 2, this version reads 1"],
    [list("0", []), "smallLatents is not a list of latents in"],
    [list([0], {}), "largeLatents is not a list of latents in"],
    [list([6], []), "smallLatents[0] is 6, expected a latent from 0 to 5, in"],
    [list([0], ["x"]), "largeLatents[0] is x, expected a latent from 0 to 8, in"],
    [list([0], [null]), "largeLatents[0] is null, expected a latent from 0 to 8, in"],
    [list([0], [1, 1]), "largeLatents[1] is 1, which is given twice, in"],
    [list([], []), "no latent of either SAE was chosen"],
  ];
  for (const [text, message] of cases) {
    await file(text);
    await assertRejects(() => loadStitchedSae(folder), Error, message);
  }
  await file(list([0], [0]));
  await Deno.remove(join(folder, "small", "sae_weights.safetensors"));
  await assertRejects(
    () => loadStitchedSae(folder),
    Error,
    "it has no sae_weights.safetensors",
  );
  await assertRejects(() => loadStitchedSae(join(folder, "none")), Error, "there is no such file");
});

Deno.test("another latent in the list is noticed; lists from before there were checksums load", async () => {
  const folder = await Deno.makeTempDir();
  const path = join(folder, "stitched.json");
  await saveStitchedSae(example(), folder);
  const text = await Deno.readTextFile(path);
  const { crc32, ...before } = JSON.parse(text);
  await Deno.writeTextFile(path, text.replace("[5,0]", "[4,0]"));
  await assertRejects(
    () => loadStitchedSae(folder),
    Error,
    `${path} is damaged: the checksum of its latents is`,
  );
  await Deno.writeTextFile(path, JSON.stringify({ ...before, crc32: Number(`0x${crc32}`) }));
  await assertRejects(() => loadStitchedSae(folder), Error, "is damaged");
  await Deno.writeTextFile(path, JSON.stringify(before));
  assertEquals(await loadStitchedSae(folder), example());
  await Deno.remove(folder, { recursive: true });
});
