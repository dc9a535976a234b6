// Files that are damaged at random, the same ones in every run. What is demanded of each:
// - No hang, no crash: it is read, or refused by an Error that names the folder. Not a TypeError of ours.
// - No weights of another shape, and none that is not a number.
// - No other weights. Where checksums cover the numbers (saewing's SAEs, stitched SAEs, checkpoints, stores,
//   npz archives) not one may differ. Safetensors of others and ONNX graphs have no checksum: a number with a
//   bit flipped is a number like any other there. A flip may then change that one number and nothing else; one
//   in a header or config changes none.
// By default the first damages of the seed, in tests/heavy 4,000 in all.
// SAEWING_FUZZ="SEED RUNS" takes another seed and another number of damages of each kind and format.
import { assert, assertEquals } from "@std/assert";
import { join, relative } from "@std/path";
import { createRandom } from "../../lib/random.ts";
import { asked, howMany } from "../depth.ts";
import { withFolder } from "../cli/cli_helper.ts";
import { type Damage, flipBit, malform } from "./fuzz/damage.ts";
import { type Found, type Target, targets } from "./fuzz/targets.ts";

const [seed = 14, runs = howMany(30, 230)] = (Deno.env.get("SAEWING_FUZZ") ?? "").split(" ").filter(
  Boolean,
)
  .map(Number);
const SLOWEST_MS = 10_000;

targets.forEach((target, index) => {
  Deno.test(`fuzz, seed ${seed}: ${target.name}`, async (t) => {
    await withFolder(async (folder) => {
      await target.write(folder);
      const sound = await target.read(folder);
      const files = filesBelow(folder).map((path) => ({ path, bytes: Deno.readFileSync(path) }));
      const random = createRandom([seed, index, 0, 0]);
      const kinds = [["bits flipped", flipBit, runs], ["malformed", malform, runs / 2]] as const;
      for (const [kind, damage, count] of kinds) {
        await t.step(`${Math.ceil(count)} times ${kind}`, async () => {
          const outcomes = { refused: 0, same: 0, other: 0 };
          for (let run = 0; run < count; run++) {
            const { path, bytes } = files[random.below(files.length)];
            const damaged = damage(bytes, random);
            await Deno.writeFile(path, damaged.bytes);
            const where = `${kind} ${run}: ${relative(folder, path)}, ${damaged.what}`;
            outcomes[await outcomeOf(target, folder, sound, kind, damaged, where)]++;
            await Deno.writeFile(path, bytes);
          }
          // Damage of which nothing is noticed would mean that nothing is damaged.
          assert(outcomes.refused > count / 5, JSON.stringify(outcomes));
          if (target.checked) assertEquals(outcomes.other, 0);
          // The sound files, after all of it.
          assertEquals(await target.read(folder), sound);
        });
      }
    });
  });
});

Deno.test("the fuzzer damages enough files of all kinds", () => {
  if (Deno.env.has("SAEWING_FUZZ") || !asked.full) return;
  assert(targets.length * runs >= 2000);
  assert(targets.length * runs / 2 >= 1000);
});

async function outcomeOf(
  target: Target,
  folder: string,
  sound: Found,
  kind: string,
  { what }: Damage,
  where: string,
): Promise<"refused" | "same" | "other"> {
  const start = performance.now();
  let found: Found;
  try {
    found = await target.read(folder);
  } catch (error) {
    const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    const ours = error instanceof Error && !(error instanceof TypeError) &&
      !(error instanceof ReferenceError) && !(error instanceof SyntaxError);
    assert(ours && message.includes(folder), `${where}: ${message}`);
    return "refused";
  } finally {
    const took = performance.now() - start;
    assert(took < SLOWEST_MS, `${where}: ${took} ms`);
  }
  assertEquals(found.shapes, sound.shapes, where);
  const names = Object.keys(sound.weights);
  assertEquals(Object.keys(found.weights).sort(), [...names].sort(), where);
  let changed = 0;
  for (const name of names) {
    const [before, after] = [sound.weights[name], found.weights[name]];
    assertEquals(after.length, before.length, where);
    for (let i = 0; i < before.length; i++) {
      if (Object.is(after[i], before[i])) continue;
      changed++;
      assert(target.finite === false || Number.isFinite(after[i]), `${where}: ${name}[${i}]`);
    }
  }
  if (changed === 0) return "same";
  assert(!target.checked, `${where}: ${changed} numbers are others`);
  if (kind === "bits flipped") assertEquals(changed, 1, `${where}: ${what}`);
  return "other";
}

function filesBelow(folder: string): string[] {
  return [...Deno.readDirSync(folder)].flatMap(({ name, isDirectory }) =>
    isDirectory ? filesBelow(join(folder, name)) : [join(folder, name)]
  ).sort();
}
