import { assertEquals } from "@std/assert";
import { chooseLatents } from "../../lib/interpretation/choose_latents.ts";

Deno.test("chooseLatents spreads its choice over the ranks of medium densities", () => {
  const density = [0.5, 0, 0.09, 0.05, 1e-5, 0.02, 0.01, 0.005, 0.001];
  assertEquals(Array.from(chooseLatents(density, 3)), [3, 6, 8]);
  assertEquals(Array.from(chooseLatents(density, 6)), [2, 3, 5, 6, 7, 8]);
});

Deno.test("chooseLatents takes all active latents where medium ones are few", () => {
  assertEquals(Array.from(chooseLatents([0.5, 0, 0.01, 0.4, 1e-5], 2)), [3, 4]);
  assertEquals(Array.from(chooseLatents([0.5, 0, 0.01], 12)), [0, 2]);
  assertEquals(Array.from(chooseLatents([0, 0], 12)), []);
});

Deno.test("chooseLatents ranks the lower of equal latents first", () => {
  assertEquals(Array.from(chooseLatents([0.01, 0.02, 0.01, 0.01], 4)), [1, 0, 2, 3]);
});
