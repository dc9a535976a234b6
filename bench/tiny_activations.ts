import { fromFileUrl } from "@std/path";
import { type Matrix, openLanguageModel, streamActivations } from "../mod.ts";
import { demoCorpus } from "../examples/demo_corpus.ts";

/**
 * Activations of the embedded model at `blocks.2.hook_resid_pre` on the demo's text, shuffled, in batches.
 *
 * @param trainRows Maximum number of rows to train on.
 * @param heldOutRows Maximum number of rows of held-out documents.
 */
export async function tinyActivations(
  batchSize: number,
  trainRows: number,
  heldOutRows: number,
): Promise<{ train: Matrix[]; heldOut: Matrix[] }> {
  const folder = fromFileUrl(import.meta.resolve("../examples/tiny-gpt2"));
  await using model = await openLanguageModel(folder, { hook: "blocks.2.hook_resid_pre" });
  const corpus = await demoCorpus();
  const read = (texts: string[], rows: number) =>
    Array.fromAsync(
      streamActivations(model, texts, { batchSize, maxTokens: rows, bufferRows: rows }),
    );
  return {
    train: await read(corpus.train, trainRows),
    heldOut: await read(corpus.heldOut, heldOutRows),
  };
}
