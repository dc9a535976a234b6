// Saving an SAE over another one, ended at each of its renames as a kill ends it.
import { assert, assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { loadSae } from "../../lib/formats/load_sae.ts";
import { removeLeftovers, replaceText } from "../../lib/files/replace_file.ts";
import { saveSae } from "../../lib/formats/sae_folder.ts";
import { openSafetensors, writeSafetensors } from "../../lib/formats/safetensors.ts";
import { createRandom } from "../../lib/random.ts";
import type { Sae } from "../../lib/sae/sae.ts";
import { deno, withFolder } from "../cli/cli_helper.ts";
import { makeSae } from "./sae_helper.ts";

const CONFIG = "cfg.json";
const WEIGHTS = "sae_weights.safetensors";
/** Of one shape, so that the config of either fits the weights of the other. */
const OLD: Sae = { ...makeSae("topk", 3, 5, 1), k: 1, metadata: { hook: "old" } };
const NEW: Sae = { ...makeSae("relu", 3, 5, 2), metadata: { hook: "new" } };

const here = (path: string) => JSON.stringify(new URL(path, import.meta.url).href);
const killed = (folder: string, rename: number, after: boolean) => `
  import { saveSae } from ${here("../../lib/formats/sae_folder.ts")};
  import { makeSae } from ${here("sae_helper.ts")};
  const rename = Deno.rename;
  let count = 0;
  Deno.rename = async (from, to) => {
    const last = count++ === ${rename};
    if (last && ${!after}) Deno.exit(9);
    await rename(from, to);
    if (last) Deno.exit(9);
  };
  await saveSae({ ...makeSae("relu", 3, 5, 2), metadata: { hook: "new" } }, ${
  JSON.stringify(folder)
});`;

Deno.test("an SAE that is replaced is the old one or the new one wherever saving is killed", async () => {
  await withFolder(async (folder) => {
    await saveSae(OLD, folder);
    const names = Array.from(Deno.readDirSync(folder), ({ name }) => name).sort();
    const configs = { old: await Deno.readTextFile(join(folder, CONFIG)), new: "" };
    const weights = { old: await Deno.readFile(join(folder, WEIGHTS)), new: new Uint8Array() };
    await saveSae(NEW, folder);
    configs.new = await Deno.readTextFile(join(folder, CONFIG));
    weights.new = await Deno.readFile(join(folder, WEIGHTS));
    const cases = [0, 1, 2].flatMap((rename) =>
      [false, true].flatMap((after) => [false, true].map((plain) => ({ rename, after, plain })))
    );
    const seen = { old: 0, new: 0 };
    await Promise.all(cases.map(async ({ rename, after, plain }, at) => {
      const place = join(folder, String(at));
      await saveSae(OLD, place);
      // As an earlier version wrote it: the weights do not hold their config.
      if (plain) await writePlain(place);
      const script = join(folder, `${at}.ts`);
      await Deno.writeTextFile(script, killed(place, rename, after));
      const config = new URL("../../deno.json", import.meta.url).pathname;
      const { code, stderr } = await deno(["run", "-A", "--no-check", "-c", config, script]);
      assertEquals(code, 9, stderr);
      const loaded = await loadSae(place);
      const which = loaded.metadata.hook as "old" | "new";
      seen[which]++;
      assertEquals(loaded, { old: OLD, new: NEW }[which]);
      // What SAELens finds: both files of one SAE, or no config.
      const text = await Deno.readTextFile(join(place, CONFIG)).catch(() => undefined);
      if (text !== undefined) {
        assertEquals(text, configs[which]);
        if (!plain || which === "new") {
          assertEquals(await Deno.readFile(join(place, WEIGHTS)), weights[which]);
        }
      }
      await saveSae(NEW, place);
      assertEquals(Array.from(Deno.readDirSync(place), ({ name }) => name).sort(), names);
      assertEquals(await loadSae(place), NEW);
    }));
    assertEquals(seen, { old: 6, new: 6 });
  });
});

Deno.test("a failed save leaves the SAE before as it was", async () => {
  await withFolder(async (folder) => {
    await saveSae(OLD, folder);
    const rename = Deno.rename;
    try {
      let count = 0;
      Deno.rename = (from, to) =>
        count++ === 1 ? Promise.reject(new Error("no")) : rename(from, to);
      await assertRejects(() => saveSae(NEW, folder), Error, "no");
    } finally {
      Deno.rename = rename;
    }
    assertEquals(await loadSae(folder), OLD);
    const names = Array.from(Deno.readDirSync(folder), ({ name }) => name).sort();
    assertEquals(names, [CONFIG, WEIGHTS]);
  });
});

Deno.test("flipped bits of an SAE are an error, or change only its notes", async () => {
  await withFolder(async (folder) => {
    const sae: Sae = { ...makeSae("topk", 3, 5, 1), k: 2, metadata: { hook: "here" } };
    await saveSae(sae, folder);
    const random = createRandom(3);
    for (const name of [CONFIG, WEIGHTS]) {
      const path = join(folder, name);
      const whole = await Deno.readFile(path);
      let errors = 0;
      for (let run = 0; run < 600; run++) {
        const damaged = whole.slice();
        const bit = random.below(8 * whole.length);
        damaged[bit >> 3] ^= 1 << (bit & 7);
        await Deno.writeFile(path, damaged);
        try {
          assertEquals({ ...await loadSae(folder), metadata: sae.metadata }, sae);
        } catch (error) {
          assert(
            error instanceof Error && error.message.includes(folder),
            `${name} ${bit} ${error}`,
          );
          errors++;
        }
      }
      assert(errors > 250, `${errors} errors in ${name}`);
      await Deno.writeFile(path, whole);
    }
  });
});

Deno.test("a config of ours beside the weights of another SAE is refused", async () => {
  await withFolder(async (folder) => {
    await saveSae(NEW, join(folder, "new"));
    await saveSae(OLD, join(folder, "old"));
    await Deno.copyFile(join(folder, "old", WEIGHTS), join(folder, "new", WEIGHTS));
    await assertRejects(() => loadSae(join(folder, "new")), Error, "belongs to other weights");
    // An earlier version's weights say nothing about their config.
    await writePlain(join(folder, "old"));
    assertEquals(await loadSae(join(folder, "old")), OLD);
  });
});

Deno.test("leftovers of killed processes are removed by the next write, those of living ones stay", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "a.json");
    const left = `.a.json.${crypto.randomUUID()}`;
    const live = `.a.json.${crypto.randomUUID()}`;
    const others = `.b.json.${crypto.randomUUID()}`;
    for (const name of [left, live, others]) await Deno.writeTextFile(join(folder, name), "half");
    using held = await Deno.open(join(folder, live), { write: true });
    await held.lock(true);
    const names = () => Array.from(Deno.readDirSync(folder), ({ name }) => name).sort();
    await replaceText(path, "{}");
    assertEquals(names(), [live, others, "a.json"].sort());
    await removeLeftovers(folder);
    assertEquals(names(), [live, "a.json"].sort());
  });
});

/** The weights without what `saveSae` adds to their metadata. */
async function writePlain(folder: string): Promise<void> {
  const path = join(folder, WEIGHTS);
  const tensors: Parameters<typeof writeSafetensors>[1] = {};
  {
    await using file = await openSafetensors(path);
    for (const [name, { shape }] of file.tensors) {
      const data = new Float32Array(shape.reduce((a, b) => a * b, 1));
      await file.read(name, 0, data);
      tensors[name] = { shape, data };
    }
  }
  await writeSafetensors(path, tensors);
}
