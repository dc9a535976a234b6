import { assertEquals } from "@std/assert";
import { SIMD_BYTES } from "../../kernels/simd/bytes.ts";
import { compileSimd } from "./compile.ts";

Deno.test("the SIMD loops are what their source compiles to", async () => {
  assertEquals((await compileSimd()).toBase64(), SIMD_BYTES, "run `deno task simd`");
});
