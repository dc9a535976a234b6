/** Names of TransformerLens, as SAEs name their model, of which the hub has an ONNX export that is known. */
const EXPORTS: Record<string, string> = { "gpt2-small": "Xenova/gpt2" };

/** How TransformerLens's other names are called on the hub. */
const ON_HUB: readonly (readonly [RegExp, string])[] = [
  [/^gpt2-(medium|large|xl)$/, "openai-community/"],
  [/^pythia-[\w.-]+$/, "EleutherAI/"],
  [/^gemma-[\w.-]+$/, "google/"],
  [/^tiny-stories-(?=\d+M$)/, "roneneldan/TinyStories-"],
];

const EXPORT = "an ONNX export of it (config.json, tokenizer.json, onnx/model.onnx)";

/** The hub id of the ONNX export that a name of TransformerLens stands for; other names as they are. */
export function exportOf(name: string): string {
  return Object.hasOwn(EXPORTS, name) ? EXPORTS[name] : name;
}

/** What a name that is no model of the hub may mean, and what to do; undefined where that is unknown. */
export function explainModelName(name: string): string | undefined {
  const near = Object.keys(EXPORTS).find((known) => letters(known) === letters(name));
  if (near !== undefined && near !== name) {
    return `${near} is TransformerLens's name of ${EXPORTS[near]}: it is understood here`;
  }
  const found = ON_HUB.find(([pattern]) => pattern.test(name));
  if (!found) return undefined;
  const [pattern, owner] = found;
  const id = owner.endsWith("/") ? owner + name : name.replace(pattern, owner);
  return `${name} is TransformerLens's name of ${id}: give the folder of ${EXPORT}, or the id of a ` +
    `hub repository that has one`;
}

function letters(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9]/g, "");
}
