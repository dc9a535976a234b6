import { assert, assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { loadCheckpoint, saveCheckpoint } from "../../lib/formats/checkpoint_folder.ts";
import { openSafetensors, writeSafetensors } from "../../lib/formats/safetensors.ts";
import type { Checkpoint } from "../../lib/training/checkpoint.ts";
import { createRandom } from "../../lib/random.ts";
import { ROOT, withFolder } from "../cli/cli_helper.ts";
import { randomNumbers } from "../gpu_helper.ts";

const CHECKPOINT: Checkpoint = {
  steps: 2,
  samples: 80,
  lastBatch: 0xfedcba98,
  settings: { architecture: "batchtopk", learningRate: 1 / 3, seed: 0, subtractDecoderBias: true },
  sae: {
    architecture: "batchtopk",
    dModel: 2,
    dictSize: 3,
    k: 1,
    subtractDecoderBias: true,
    inputNormalization: "none",
    metadata: { hook: "blocks.0.hook_resid_pre", nested: { list: [1, "é"] } },
  },
  history: [1, 2].map((step) => ({
    step,
    samples: 40 * step,
    loss: 1 / 3 + step,
    reconstructionLoss: Math.fround(0.1),
    auxiliaryLoss: 0,
    sparsityLoss: 0,
    l0: 41 / 40,
    deadLatents: step,
    smallestKept: 1e-40,
  })),
  arrays: {
    wEnc: Float32Array.of(1e-40, -0, Infinity, 1, 2, 3),
    "wEnc.second": randomNumbers(1, 6),
    lastActive: Uint32Array.of(1, 2 ** 32 - 1, 3),
  },
};
const FILE = "checkpoint.safetensors";

Deno.test("a checkpoint comes back bit by bit", async () => {
  await withFolder(async (folder) => {
    const place = join(folder, "new", "checkpoint");
    assertEquals(await loadCheckpoint(place), undefined);
    await saveCheckpoint(CHECKPOINT, place);
    const loaded = await loadCheckpoint(place);
    assertEquals(loaded, CHECKPOINT);
    assert(Object.is(loaded!.arrays.wEnc[1], -0));
    assertEquals(JSON.stringify(loaded!.history), JSON.stringify(CHECKPOINT.history));
    const next = { ...CHECKPOINT, steps: 0, history: [] };
    await saveCheckpoint(next, place);
    assertEquals(await loadCheckpoint(place), next);
    assertEquals(Array.from(Deno.readDirSync(place), ({ name }) => name), [FILE]);
  });
});

Deno.test("what a killed process left beside a checkpoint is removed by the next save", async () => {
  await withFolder(async (folder) => {
    await Deno.writeTextFile(join(folder, `.${FILE}.${crypto.randomUUID()}`), "half");
    assertEquals(await loadCheckpoint(folder), undefined);
    await saveCheckpoint(CHECKPOINT, folder);
    assertEquals(Array.from(Deno.readDirSync(folder), ({ name }) => name), [FILE]);
  });
});

Deno.test("a checkpoint cut short anywhere is an error that names the file", async () => {
  await withFolder(async (folder) => {
    await saveCheckpoint(CHECKPOINT, folder);
    const path = join(folder, FILE);
    const whole = await Deno.readFile(path);
    for (let length = 0; length < whole.length; length += 7) {
      await Deno.writeFile(path, whole.subarray(0, length));
      await assertRejects(() => loadCheckpoint(folder), Error, path);
    }
  });
});

Deno.test("flipped bits are an error that names the file, or change nothing that is loaded", async () => {
  await withFolder(async (folder) => {
    await saveCheckpoint(CHECKPOINT, folder);
    const random = createRandom(14);
    for (const { name } of [...Deno.readDirSync(folder)]) {
      const path = join(folder, name);
      const whole = await Deno.readFile(path);
      const headerBits = 8 * (8 + new DataView(whole.buffer).getUint32(0, true));
      const outcomes = { errors: 0, inData: 0, unchanged: 0 };
      for (let run = 0; run < 1200; run++) {
        const damaged = whole.slice();
        // Half of the flips hit the data, which is smaller than the header here.
        const first = run % 2 === 0 ? 0 : headerBits;
        for (let flips = 1 + run % 3; flips > 0; flips--) {
          const bit = first + Math.floor(random.uniform() * (8 * whole.length - first));
          damaged[bit >> 3] ^= 1 << (bit & 7);
        }
        await Deno.writeFile(path, damaged);
        try {
          assertEquals(await loadCheckpoint(folder), CHECKPOINT);
          outcomes.unchanged++;
        } catch (error) {
          assert(error instanceof Error && error.message.includes(path), `${error}`);
          outcomes.errors++;
          outcomes.inData += run % 2;
        }
      }
      assertEquals(outcomes, { errors: 1200, inData: 600, unchanged: 0 });
    }
  });
});

Deno.test("a checkpoint from before there were checksums is loaded", async () => {
  await withFolder(async (folder) => {
    await saveCheckpoint(CHECKPOINT, folder);
    const path = join(folder, FILE);
    const tensors: Parameters<typeof writeSafetensors>[1] = {};
    let notes = "";
    {
      await using file = await openSafetensors(path);
      notes = file.metadata.checkpoint;
      const kinds = { F32: Float32Array, F64: Float64Array, U32: Uint32Array };
      for (const [name, { shape, dtype }] of file.tensors) {
        const data = new kinds[dtype as keyof typeof kinds](shape.reduce((a, b) => a * b, 1));
        await file.read(name, 0, data);
        tensors[name] = { shape, data };
      }
    }
    await writeSafetensors(path, tensors, { format: "1", checkpoint: notes });
    assertEquals(await loadCheckpoint(folder), CHECKPOINT);
    // Without its checksum a file of this version is none of the earlier ones.
    await writeSafetensors(path, tensors, { format: "2", checkpoint: notes });
    await assertRejects(() => loadCheckpoint(folder), Error, `${path} is damaged`);
  });
});

Deno.test("files that are no checkpoint are refused, with the reason", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, FILE);
    const notes = async () => {
      await saveCheckpoint(CHECKPOINT, folder);
      await using file = await openSafetensors(path);
      return JSON.parse(file.metadata.checkpoint);
    };
    const good = await notes();
    const table = { shape: [2, 8], data: new Float64Array(16) };
    const write = (
      tensors: Parameters<typeof writeSafetensors>[1],
      checkpoint?: unknown,
      format = "1",
    ) =>
      writeSafetensors(
        path,
        tensors,
        checkpoint === undefined ? undefined : { format, checkpoint: JSON.stringify(checkpoint) },
      );
    const whole = { shape: [2, 9], data: new Float64Array(18) };
    const x = { shape: [2], data: new Float32Array(2) };
    const cases: [RegExp, () => Promise<void>][] = [
      [/is not a checkpoint of saewing/, () => write({ x })],
      [
        /checkpoint format 3, this version reads 1 and 2/,
        () => write({ history: table }, good, "3"),
      ],
      [/notes are not JSON/, () => writeSafetensors(path, { x }, { format: "1", checkpoint: "{" })],
      [/no sound "steps"/, () => write({ history: table }, { ...good, steps: -0.5 })],
      [/no sound "sae"/, () => write({ history: table }, { ...good, sae: [] })],
      [/no sound "steps"/, () => write({ history: table }, null)],
      [/history is \[missing\], expected .* = \[2, 9\]/, () => write({ x }, good)],
      [
        /history is \[2, 8\], expected .* = \[9, 9\]/,
        () => write({ history: table }, { ...good, steps: 9 }),
      ],
      [
        /x is F64 \[2\], expected F32 or U32/,
        () => write({ history: whole, x: { shape: [2], data: new Float64Array(2) } }, good),
      ],
      [/header/, () => Deno.writeTextFile(path, "a text of some length, no checkpoint")],
    ];
    for (const [reason, make] of cases) {
      await make();
      const error = await assertRejects(() => loadCheckpoint(folder), Error);
      assert(reason.test(error.message), `${error.message} is not ${reason}`);
      assert(error.message.includes(path), error.message);
    }
  });
});

Deno.test("a folder that cannot be written is an error, and so is a file in its place", async () => {
  await withFolder(async (folder) => {
    const place = join(folder, "file");
    await Deno.writeTextFile(place, "");
    await assertRejects(
      () => saveCheckpoint(CHECKPOINT, place),
      Error,
      `the checkpoint of step 2 cannot be saved in ${place}`,
    );
    await assertRejects(() => loadCheckpoint(place), Error, place);
  });
});

Deno.test({
  name: "a disk that is full leaves the earlier checkpoint, and says so",
  ignore: Deno.build.os === "windows",
  async fn() {
    await withFolder(async (folder) => {
      await saveCheckpoint(CHECKPOINT, folder);
      // The shell limits the size of files to 2 or 4 MiB; the signal that comes with it is ignored.
      const script = `
        const { saveCheckpoint, loadCheckpoint } = await import(${
        JSON.stringify(new URL("../../mod.ts", import.meta.url).href)
      });
        const first = await loadCheckpoint(${JSON.stringify(folder)});
        const arrays = { ...first.arrays, wEnc: new Float32Array(3e6) };
        await saveCheckpoint({ ...first, arrays }, ${JSON.stringify(folder)})
          .then(() => console.log("saved"), (error) => console.log(error.message));`;
      const path = join(folder, "save.ts");
      await Deno.writeTextFile(path, script);
      const command = new Deno.Command("sh", {
        args: ["-c", 'trap "" XFSZ; ulimit -f 4096; exec "$0" run -A -c "$1" "$2"'].concat([
          Deno.execPath(),
          join(ROOT, "deno.json"),
          path,
        ]),
        env: { NO_COLOR: "1" },
      });
      const { stdout, stderr } = await command.output();
      const said = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
      assert(/step 2 cannot be saved in .*[Ff]ile too large/.test(said), said);
      assertEquals(await loadCheckpoint(folder), CHECKPOINT);
      assertEquals(
        Array.from(Deno.readDirSync(folder), ({ name }) => name).sort(),
        [FILE, "save.ts"],
      );
    });
  },
});
