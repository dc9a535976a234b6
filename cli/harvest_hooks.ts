import { join } from "@std/path";
import { lockStore } from "../lib/activations/lock_store.ts";
import {
  createTextFingerprint,
  orderedHooks,
  type StoreDtype,
  type TextFingerprint,
} from "../lib/activations/mod.ts";
import { writeActivations } from "../mod.ts";
import type { Session } from "./command.ts";
import { inputPaths, openModel } from "./open.ts";
import type { Arguments } from "./options.ts";
import { formatSeconds } from "../lib/report/format_number.ts";
import { openOutputFolder, type OutputFolder } from "./output_folder.ts";
import { checkEvalText, documentsOf, givenNormLimit } from "./source.ts";

/** `saewing harvest` at several hooks: a store per hook, in a folder of its name, from one run of the model. */
export async function harvestHooks(
  options: Arguments,
  session: Session,
  hooks: readonly string[],
): Promise<void> {
  const { output, signal, leaves } = session;
  const [hook, ...moreHooks] = hooks;
  const text = options.texts("text");
  const dtype = (options.text("dtype") ?? "float32") as StoreDtype;
  const modelDtype = options.text("model-dtype") ?? "fp32";
  const tokens = options.number("tokens");
  const folder = options.required("out");
  await using model = await openModel(options, session, { hook, moreHooks, dtype: modelDtype });
  const contextSize = options.number("context") ?? Math.min(128, model.maxContext);
  const skipPositions = options.flag("include-bos") ? [] : [0];
  await checkEvalText(options, model, contextSize, "text");
  using opened = new DisposableStack();
  const outs: OutputFolder[] = [];
  for (const { hook } of model.hooks) {
    outs.push(opened.use(
      await openOutputFolder(join(folder, hook), {
        command: "harvest",
        options: options.given,
        overwrite: options.flag("overwrite"),
        inputs: inputPaths(options),
        goOn: ({ command, finished }) => command === "harvest" && finished === undefined,
      }),
    ));
  }
  for (const out of outs) {
    using _lock = await lockStore(out.path);
    await out.start(["store.json"]);
  }
  const names = model.hooks.map(({ hook, dModel }) => `${hook} (d = ${dModel})`);
  output.say(`${model.id} at ${names.join(", ")}, ${dtype}, to ${folder}`);
  const fingerprints = model.hooks.map(() => createTextFingerprint());
  const streams = orderedHooks(model, documentsOf(options, "text")(), {
    ...{ contextLength: contextSize, skipPositions, maxTokens: tokens, signal },
    fingerprint: joinFingerprints(fingerprints),
  });
  const started = performance.now();
  const seconds = () => (performance.now() - started) / 1000;
  leaves({
    text: `${folder} keeps finished shards, the same command continues from there`,
    data: { folder },
  });
  const written = await Promise.allSettled(outs.map(async (out, i) => {
    try {
      return await writeActivations(streams[i], out.path, {
        ...{ model: model.id, hook: model.hooks[i].hook, contextSize, skipPositions, modelDtype },
        ...{ dtype, signal, normLimit: givenNormLimit(options), dataset: text.join(" ") },
        ...{ seed: options.number("seed"), fingerprint: fingerprints[i], overwrite: !out.goesOn },
        onProgress({ done }) {
          if (i > 0) return;
          const details = `${done} activations per hook  ${Math.round(done / seconds())} tokens/s`;
          output.progress({ phase: "harvest", done, total: tokens }, { details });
        },
      });
    } catch (error) {
      // The other streams must not wait for this one.
      await streams[i].return(undefined);
      throw error;
    }
  }));
  const failed = written.find((one) => one.status === "rejected");
  if (failed) throw failed.reason;
  for (const out of outs) await out.finish();
  const stores = written.map((one) => (one as PromiseFulfilledResult<Written>).value);
  for (const [i, { rows }] of stores.entries()) {
    output.say(`${rows} activations in ${outs[i].path}`);
  }
  output.say(`${formatSeconds(seconds())}`);
  output.result({
    folder,
    dtype,
    stores: stores.map(({ rows, dModel, leftOut, normLimit, hook }, i) => ({
      ...{ folder: outs[i].path, hook, rows, dModel, leftOut, normLimit },
    })),
  });
}

type Written = Awaited<ReturnType<typeof writeActivations>>;

/** A fingerprint that passes rows to each: every store keeps its own checksum. */
function joinFingerprints(all: TextFingerprint[]): TextFingerprint {
  return {
    expect: () => {},
    follow: (rows, most) =>
      all.reduce((followed, one) => one.follow(followed, most), rows) as ReturnType<
        TextFingerprint["follow"]
      >,
    checksum: (tokenRows) => all[0].checksum(tokenRows),
  };
}
