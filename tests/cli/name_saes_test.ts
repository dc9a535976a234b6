import { assertEquals } from "@std/assert";
import { nameSaes } from "../../lib/formats/name_saes.ts";

Deno.test("nameSaes: the last part, without the run folder's own sae", () => {
  assertEquals(nameSaes(["runs/m768/sae", "runs/m1536/sae/", "a b"]), ["m768", "m1536", "a b"]);
  assertEquals(nameSaes(["sae"]).length, 1);
});

Deno.test("nameSaes: as many parts as tell paths apart", () => {
  assertEquals(nameSaes(["gpt2/final", "llama/final", "m7"]), ["gpt2-final", "llama-final", "m7"]);
  assertEquals(
    nameSaes(["a/l0_8/params.npz", "b/l0_8/params.npz"]),
    ["a-l0_8-params.npz", "b-l0_8-params.npz"],
  );
});

Deno.test("nameSaes: one path given twice is numbered", () => {
  assertEquals(nameSaes(["x/m", "y/n", "x/m"]), ["m", "n", "m (3)"]);
  assertEquals(nameSaes(["x/m/sae", "x/m"]), ["m", "m (2)"]);
});
