import { assert, assertEquals } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { writeActivations } from "../../lib/activations/write_activations.ts";
import { options, ROWS, slowly } from "./killed_writer.ts";
import { withFolder } from "./store_helper.ts";

Deno.test("a harvest that is killed at any moment goes on to the same bytes", async () => {
  await withFolder(async (folder) => {
    const [whole, killed] = [join(folder, "whole"), join(folder, "killed")];
    const store = await writeActivations(slowly(0), whole, options);
    const script = fromFileUrl(new URL("killed_writer.ts", import.meta.url));
    let kills = 0;
    for (let run = 0;; run++) {
      assert(run < 100, "it never ends");
      const child = new Deno.Command(Deno.execPath(), { args: ["run", "-A", script, killed] })
        .spawn();
      // Moments spread evenly; ever later, so that it ends on a busy machine too.
      const moment = 100 + 200 * (run * 0.618 % 1) + 20 * run;
      const timer = setTimeout(() => child.kill("SIGKILL"), moment);
      const { code, signal } = await child.status;
      clearTimeout(timer);
      if (signal === "SIGKILL") {
        kills++;
        // It may be killed between its last byte and its end.
        if (await isComplete(killed)) break;
        continue;
      }
      assertEquals(code, 0);
      break;
    }
    assert(kills > 0);
    for await (const { name } of Deno.readDir(killed)) {
      // Killed after the store was complete: the lock's file is left, though nothing holds it.
      if (name === "store.lock") continue;
      assertEquals(
        await Deno.readFile(join(killed, name)),
        await Deno.readFile(join(whole, name)),
        name,
      );
    }
    assertEquals(store.rows, ROWS);
    console.log(`${kills} kills`);
  });
});

async function isComplete(folder: string): Promise<boolean> {
  const text = await Deno.readTextFile(join(folder, "store.json")).catch(() => "{}");
  return JSON.parse(text).complete === true;
}
