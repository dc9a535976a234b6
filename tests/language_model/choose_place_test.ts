import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { choosePlace } from "../../lib/language_model/choose_place.ts";
import { openLanguageModel } from "../../lib/language_model/open_language_model.ts";
import { maxDifference, tinyGpt2 } from "./fixtures.ts";

const cpu = Float32Array.of(3, 4, 0);
const runs = (values: Record<string, Float32Array>) => (device: string) =>
  values[device]
    ? Promise.resolve(values[device])
    : Promise.reject(new Error(`no ${device}\nhere`));
const there = () => Promise.resolve();
const none = () => Promise.reject(new Error("there is no GPU"));

Deno.test("a model runs where it gives what the CPU gives, to some relative difference", async () => {
  const near = { cpu, webgpu: Float32Array.of(3, 4, 0.005) };
  for (const device of ["auto", "webgpu"]) {
    const place = await choosePlace(device, runs(near), there);
    assertEquals(place.device, "webgpu");
    assert(Math.abs(place.difference! - 0.001) < 1e-9);
  }
  assertEquals(await choosePlace("cpu", runs({}), none), { device: "cpu" });
});

Deno.test("auto falls back to the CPU and says why; a device by name fails", async () => {
  const auto = (values: Record<string, Float32Array>, gpu = there) =>
    choosePlace("auto", runs(values), gpu);
  assertEquals(await auto({ cpu }, none), { device: "cpu", reason: "there is no GPU" });
  assertEquals(await auto({ cpu }), { device: "cpu", reason: "no webgpu" });
  const far = { cpu, webgpu: Float32Array.of(3, 4, 5) };
  const reason =
    "activations on webgpu differ from the CPU's by 1.0 (relative), expected at most 0.01";
  assertEquals(await auto(far), { device: "cpu", reason, difference: 1 });
  await assertRejects(() => choosePlace("webgpu", runs(far), there), Error, reason);
  const broken = { cpu, webgpu: Float32Array.of(NaN, 4, 5) };
  assertStringIncludes((await auto(broken)).reason!, "differ from the CPU's by NaN");
  await assertRejects(() => choosePlace("cuda", runs({ cpu }), there), Error, "no cuda");
});

Deno.test("a model that is opened with auto runs, wherever it is", async () => {
  const hook = "blocks.2.hook_resid_pre";
  await using auto = await openLanguageModel(tinyGpt2, { hook, device: "auto", threads: 1 });
  await using plain = await openLanguageModel(tinyGpt2, { hook, threads: 1 });
  assertEquals(plain.place, { device: "cpu" });
  assertEquals(auto.place.device === "cpu", auto.place.reason !== undefined);
  const tokens = Int32Array.of(4095, 5, 6, 7);
  const [found, expected] = [await auto.activations(tokens, 1), await plain.activations(tokens, 1)];
  assert(maxDifference(found.data, expected.data) < 1e-2);
});
