import {
  type Edit,
  generate,
  openEditor,
  steeringEffect,
  type TokenShift,
} from "../lib/interpretation/mod.ts";
import type { LanguageModel, Sae } from "../mod.ts";
import type { Command, Session } from "./command.ts";
import { openCommandDevice, openModel, openSae, saePath, saeSource } from "./open.ts";
import { UsageError } from "./io.ts";
import { type Arguments, checkOptions, group, helpOf, type Options, shared } from "./options.ts";
import { printable } from "./output.ts";
import { sayBosInFront } from "./source.ts";

const OPTIONS: Options = [
  ["Edits, at every token except BOS; each may be repeated, or list several with commas", [
    { name: "clamp", value: "LATENT=VALUE", help: "the activation becomes VALUE" },
    { name: "scale", value: "LATENT=FACTOR", help: "the activation is multiplied" },
    { name: "ablate", value: "LATENT", help: "the activation becomes 0" },
    { name: "add", value: "LATENT=VALUE", help: "VALUE is added, also where it is inactive" },
    { name: "meta", value: "META", help: "the meta-SAE whose directions --add-meta adds" },
    {
      name: "add-meta",
      value: "META-LATENT=VALUE",
      help: "VALUE times the meta-latent's decoder row is added",
    },
  ]],
  ["Generated text", [
    { name: "tokens", value: "N", help: "tokens to add (default 32)", least: 1 },
    {
      name: "temperature",
      value: "T",
      help: "0: always the most likely token (default); above, one is drawn",
    },
    {
      name: "top-k",
      value: "N",
      help: "draw from the N most likely tokens (default: all)",
      least: 1,
    },
    shared("seed", "seed of sampling (default 0)"),
  ]],
  ["Model and output", [
    shared("model", "default: the model that the SAE's config names"),
    shared("hook", "default: the hook that the SAE's config names"),
    {
      name: "shown",
      value: "N",
      help: "number of promoted and of suppressed tokens listed (default 10)",
      least: 1,
    },
    ...group("loading"),
    ...group("last"),
  ]],
];

const HELP = helpOf(
  `Edits latents while a model generates text: the text with and without the edits, and the next tokens
whose probability changes most.

Usage
  saewing steer SAE TEXT [edits] [options]

The SAE's error is kept, so that an edit changes only its latent's contribution.
Values are in the units of activations; a dashboard shows the range of a latent's activations.`,
  OPTIONS,
  `Examples
  saewing steer runs/m1024/sae "The President of" --ablate 17
  saewing steer runs/m1024/sae "The President of" --clamp 17=8 --temperature 1 --seed 3
  saewing steer runs/m1024/sae "The President of" --meta runs/meta/meta --add-meta 4=2`,
);

/** `saewing steer`. */
export const steer: Command = {
  summary: "generate text with edits of latents",
  help: HELP,
  options: OPTIONS,
  async run(given, session) {
    const { io, output, signal } = session;
    const [path, text, ...more] = given.positional;
    if (!path) throw new UsageError("the SAE is missing");
    if (!text) throw new UsageError('the text is missing: saewing steer SAE "Some text"');
    if (more.length > 0) {
      throw new UsageError(`${more[0]} is one argument too many: put the text in quotes`);
    }
    checkOptions(given, OPTIONS, 2);
    session.leaves({ text: "nothing was written" });
    const asked = readEdits(given);
    const temperature = given.number("temperature") ?? 0;
    if (temperature < 0) {
      throw new UsageError(`--temperature is ${temperature}, expected a number from 0`);
    }
    const folder = await saePath(path);
    const sae = await openSae(folder, given, session);
    sayBosInFront(session, [sae]);
    const options = given.withDefaults(saeSource(given, sae, folder));
    const edits = [...asked.latents, ...await metaEdits(asked.meta, sae, given, session)];
    using device = await openCommandDevice(options, io);
    using editor = open(() => openEditor(device, sae, edits));
    await using model = await openModel(options, session);
    const prompt = Int32Array.of(model.bosToken, ...model.tokenize(text));
    if (prompt.length >= model.maxContext) {
      throw new UsageError(
        `the text has ${prompt.length} tokens with BOS, ${model.id} takes ${model.maxContext - 1}`,
      );
    }
    const count = options.number("shown") ?? 10;
    const effect = await steeringEffect(model, editor, prompt, 1, { count });
    const tokens = options.number("tokens") ?? 32;
    const sampling = {
      ...{ tokens, signal, temperature },
      ...{ topK: options.number("top-k"), seed: options.number("seed") },
    };
    const write = async (part: object, phase: string, done: number) => {
      const onToken = () => output.progress({ phase, done: ++done, total: 2 * tokens });
      const made = await generate(model, prompt, { ...sampling, ...part, onToken });
      return textOf(model, made);
    };
    const own = await write({}, "writing without edits", 0);
    const edited = await write({ editor }, "writing with edits", tokens);
    const [{ raised, lowered, divergence }] = effect.next;
    output.say(`without edits  ${printable(text + own)}`);
    output.say(`with edits     ${printable(text + edited)}\n`);
    output.say(
      `loss on the text ${effect.loss.toFixed(4)}, with edits ${
        effect.editedLoss.toFixed(4)
      } nats; ` +
        `KL of the next token ${divergence.toFixed(4)} nats`,
    );
    for (const [title, shifts] of [["raised", raised], ["lowered", lowered]] as const) {
      if (shifts.length > 0) output.say(`\n${shiftTable(`next token, ${title}`, shifts)}`);
    }
    output.result({
      ...{ sae: folder, text, own, edited, loss: effect.loss, editedLoss: effect.editedLoss },
      ...{ divergence: effect.divergence, next: effect.next[0] },
    });
  },
};

/** Edits that do not fit the SAE are wrong arguments. */
function open<T>(make: () => T): T {
  try {
    return make();
  } catch (error) {
    if (error instanceof RangeError) throw new UsageError(error.message);
    throw error;
  }
}

type Pair = { latent: number; value: number };

function readEdits(given: Arguments): { latents: Edit[]; meta: Pair[] } {
  const latents: Edit[] = [
    ...pairs(given, "clamp").map(({ latent, value }) => ({ latent, clamp: value })),
    ...pairs(given, "scale").map(({ latent, value }) => ({ latent, scale: value })),
    ...given.texts("ablate").flatMap((text) => text.split(",")).map((text): Edit => {
      if (!/^\d+$/.test(text)) {
        throw new UsageError(`--ablate is ${text}, expected the number of a latent`);
      }
      return { latent: Number(text), ablate: true };
    }),
    ...pairs(given, "add").map(({ latent, value }) => ({ latent, add: value })),
  ];
  const meta = pairs(given, "add-meta");
  if (meta.length > 0 && given.text("meta") === undefined) {
    throw new UsageError("--add-meta needs --meta, the meta-SAE that its directions are of");
  }
  if (latents.length + meta.length === 0) {
    throw new UsageError("there is no edit: give --clamp, --scale, --ablate, --add or --add-meta");
  }
  return { latents, meta };
}

function pairs(given: Arguments, name: string): Pair[] {
  return given.texts(name).flatMap((text) => text.split(",")).map((text) => {
    const [, latent, value] = text.match(/^(\d+)=(\S+)$/) ?? [];
    if (latent === undefined || !Number.isFinite(Number(value))) {
      throw new UsageError(`--${name} is ${text}, expected NUMBER=VALUE, such as 17=4.5`);
    }
    return { latent: Number(latent), value: Number(value) };
  });
}

/** Directions of meta-latents: their decoder rows, which lie where the SAE's do. */
async function metaEdits(
  pairs: readonly Pair[],
  sae: Sae,
  given: Arguments,
  session: Session,
): Promise<Edit[]> {
  if (pairs.length === 0) return [];
  const meta = await openSae(await saePath(given.required("meta")), given, session);
  if (meta.dModel !== sae.dModel) {
    throw new UsageError(`the dModel of --meta is ${meta.dModel}, the SAE's is ${sae.dModel}`);
  }
  return pairs.map(({ latent, value }) => {
    if (latent >= meta.dictSize) {
      throw new UsageError(
        `--add-meta has meta-latent ${latent}, expected one below ${meta.dictSize}`,
      );
    }
    const direction = meta.wDec.slice(latent * meta.dModel, (latent + 1) * meta.dModel);
    return { direction, by: value };
  });
}

function textOf(model: Pick<LanguageModel, "tokenText">, tokens: Int32Array): string {
  return Array.from(tokens, (token) => model.tokenText(token)).join("");
}

function shiftTable(title: string, shifts: readonly TokenShift[]): string {
  const shown = shifts.map(({ text }) => JSON.stringify(printable(text)));
  const width = Math.max(title.length, ...shown.map(({ length }) => length));
  const line = (cells: string[]) =>
    cells.map((cell, i) => i === 0 ? cell.padEnd(width) : cell.padStart(10)).join("  ").trimEnd();
  return [
    line([title, "without", "with"]),
    ...shifts.map(({ own, edited }, i) => line([shown[i], percent(own), percent(edited)])),
  ].join("\n");
}

const percent = (share: number): string => `${(100 * share).toFixed(3)} %`;
