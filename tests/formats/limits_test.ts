// What a file may ask of memory, and what a full disk says.
import { assert, assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { loadCheckpoint } from "../../lib/formats/checkpoint_folder.ts";
import { loadSae } from "../../lib/formats/load_sae.ts";
import { replaceFile } from "../../lib/files/replace_file.ts";
import { encodeHeader } from "../../lib/formats/safetensors_header.ts";
import { withFolder } from "../cli/cli_helper.ts";
import { v6 } from "./sae_helper.ts";

/** A safetensors file whose elements are a hole: it takes no place on the disk. */
async function writeHole(
  path: string,
  shapes: Record<string, number[]>,
  metadata: Record<string, string> = {},
): Promise<void> {
  const header: Record<string, unknown> = { __metadata__: metadata };
  let at = 0;
  for (const [name, shape] of Object.entries(shapes)) {
    const end = at + shape.reduce((product, size) => product * size, 4);
    header[name] = { dtype: name === "history" ? "F64" : "F32", shape, data_offsets: [at, end] };
    at = end;
  }
  const { buffer } = encodeHeader(header);
  using file = await Deno.open(path, { write: true, createNew: true });
  await file.write(buffer);
  await file.truncate(buffer.length + at);
}

Deno.test("weights of a terabyte are refused by name before memory is taken", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "sae_weights.safetensors");
    const [d, m] = [512, 2 ** 28];
    await Deno.writeTextFile(
      join(folder, "cfg.json"),
      JSON.stringify({ ...v6, d_in: d, d_sae: m }),
    );
    await writeHole(path, { W_enc: [d, m], W_dec: [m, d], b_enc: [m], b_dec: [d] });
    const { message } = await assertRejects(() => loadSae(folder), Error);
    assert(message.includes(path), message);
    assert(/^W_enc is \[512, 268435456\], which takes 512 GiB of memory, but /.test(message));
  });
});

Deno.test("a checkpoint of a terabyte is refused by name before memory is taken", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "checkpoint.safetensors");
    const plain = { steps: 0, samples: 0, lastBatch: 0, settings: {}, sae: {}, columns: [] };
    // The history's elements are F64: none.
    await writeHole(path, { history: [0, 0], wEnc: [2 ** 37] }, {
      format: "1",
      checkpoint: JSON.stringify(plain),
    });
    const { message } = await assertRejects(() => loadCheckpoint(folder), Error);
    assert(message.includes(path), message);
    assert(/^wEnc is \[137438953472\], which takes 512 GiB of memory, but /.test(message), message);
  });
});

Deno.test({
  name: "a full disk is told with the file that was written, and leaves nothing",
  ignore: Deno.build.os !== "linux",
  async fn() {
    await withFolder(async (folder) => {
      const path = join(folder, "weights.bin");
      const onFullDisk = async () => {
        using full = await Deno.open("/dev/full", { write: true });
        await full.write(new Uint8Array(9));
      };
      const { message } = await assertRejects(() => replaceFile(path, onFullDisk), Error);
      assertEquals(message, `cannot write ${path}: No space left on device (os error 28)`);
      assertEquals([...Deno.readDirSync(folder)], []);
      // What the writer itself finds wrong passes as it is.
      const wrong = () => Promise.reject(new Error("the writer's own"));
      await assertRejects(() => replaceFile(path, wrong), Error, "the writer's own");
    });
  },
});
