// A model of made-up words, an SAE for it and texts with labels: for tests of probes.
import type { TextModel } from "../../lib/interpretation/mean_activations.ts";
import { createRandom } from "../../lib/random.ts";
import type { Sae } from "../../lib/sae/sae.ts";
import { randomNumbers, randomSae } from "../gpu_helper.ts";

export const D = 5;
const VOCABULARY = 40;
const LENGTH = 16;
const EMBEDDING = randomNumbers(1, VOCABULARY * D, 2);
const PLACE = randomNumbers(2, LENGTH * D, 0.3);

/** Activations are a word's embedding plus its place's; token 0 is BOS, words are numbers from 1. */
export const MODEL: TextModel = {
  dModel: D,
  bosToken: 0,
  maxContext: LENGTH,
  tokenize: (text) => Int32Array.from(text.split(" ").filter((word) => word !== ""), Number),
  activations(tokens, rows) {
    const length = tokens.length / rows;
    const data = new Float32Array(tokens.length * D);
    for (let at = 0; at < data.length; at++) data[at] = activation(tokens, length, at);
    return Promise.resolve({ data, rows: tokens.length, cols: D });
  },
};

function activation(tokens: Int32Array, length: number, at: number): number {
  const row = Math.floor(at / D);
  return EMBEDDING[tokens[row] * D + at % D] + PLACE[row % length * D + at % D];
}

/** The activations of a text's own tokens, [tokens][d], of the first `contextLength` − 1. */
export function activationsOf(text: string, contextLength: number): number[][] {
  const tokens = [0, ...MODEL.tokenize(text)].slice(0, contextLength);
  const all = Int32Array.from(tokens);
  return tokens.slice(1).map((_, i) =>
    Array.from({ length: D }, (_, c) => activation(all, tokens.length, (i + 1) * D + c))
  );
}

/** A ReLU SAE of 24 latents. */
export function sae(more: Partial<Sae> = {}): Sae {
  return randomSae(3, D, 24, { architecture: "relu", ...more });
}

/** `count` texts of `labels` labels: words of a label are more often its own than others'. */
export function labelledTexts(seed: number, count: number, labels: number) {
  const random = createRandom(seed);
  const names = Array.from({ length: count }, () => `label ${random.below(labels)}`);
  const texts = names.map((name) => {
    const own = Number(name.at(-1)) * 5;
    const length = 1 + random.below(LENGTH - 2);
    return Array.from(
      { length },
      () => 1 + (random.uniform() < 0.5 ? own + random.below(5) : random.below(VOCABULARY - 1)),
    ).join(" ");
  });
  return { texts, labels: names };
}
