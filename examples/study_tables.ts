/**
 * The results of `examples/study.ts` as Markdown tables: SAEs, verdicts on the paper's claims, probes, and the
 * minutes of each stage.
 *
 * `deno run -A examples/study_tables.ts OUT`
 */
import { parse } from "@std/csv";
import { join } from "@std/path";

type Row = Record<string, string>;

/** Numbers in the words beside verdicts (see lib/claims/): what they are, the paper's for 768 → 1,536, where they are. */
const NUMBERS: [name: string, paper: string, pattern: RegExp][] = [
  ["novel latents", "42.8 %", /\((\S+ %)\) of the large SAE's latents are novel/],
  [
    "of these lower the MSE when added alone; with gains",
    "",
    /Added alone, .*?\((\S+ %)\).*?lower the MSE, with one gain per SAE .*?\((\S+ %)\)/,
  ],
  [
    "all of them change the MSE by; with gains",
    "almost −10 %",
    /all together change it by (.+? %), with gains by (.+? %)/,
  ],
  [
    "higher MSE where novel latents are active: small, large SAE",
    "+22 %, +13 %",
    /to where they are not: (\S+ %) \(small SAE\), (\S+ %)/,
  ],
  [
    "reconstruction latents that raise the MSE; with gains",
    "",
    /\((\S+ %)\) of the active latents with a cosine .*?, with one gain per SAE .*?\((\S+ %)\)/,
  ],
  [
    "AUC of the cosine; with gains",
    "",
    /AUC (\S+) \(95 %: .+?\).*?with one gain per SAE (\d\.\d+)/,
  ],
  ["R² above cosine 0.5", "0.87", /over decoder cosine is (\S+) for/],
  [
    "groups: 1–1, split, merged, n–m",
    "",
    /groups: (\d+) one to one, (\d+) split.*?, (\d+) merged.*?, (\d+) several/,
  ],
  ["all swaps change MSE, L0 by", "", /swaps change the MSE by (\S+) and L0 by (\S+?);/],
  [
    "swaps alone that raise the MSE, lower L0",
    "most, almost all",
    /\((\S+ %)\) raise the MSE, .*?\((\S+ %)\) lower L0/,
  ],
  [
    "MSE, L0 of the small SAE",
    "2.72, 35.2",
    /lead from MSE (\S+), L0 (\S+) to/,
  ],
  ["MSE, L0 of the large SAE", "2.22, 39.5", /lead from MSE .*? to MSE (\S+), L0 (\S+?);/],
  ["largest step of the path, of the MSE", "", /the largest changes it by (\S+ %)/],
];

const [out] = Deno.args;
if (out === undefined) {
  console.error("expected one argument, the folder of a study (the OUT of examples/study.ts)");
  Deno.exit(2);
}
const stages = (await Array.fromAsync(Deno.readDir(out)))
  .filter(({ isDirectory }) => isDirectory).map(({ name }) => name).sort();

heading("SAEs");
const changes = new Map<string, string>();
for (const stage of stages.filter((name) => name.startsWith("stitch-"))) {
  for (const { sae, lossChange } of await rows(stage, "controls")) changes.set(sae, lossChange);
}
table(
  ["SAE", "L0", "NMSE", "never active", "CE recovered (zero, mean)", "loss in the last tenth"],
  (await rows("saes", "sweep")).map((row) => [
    row.name,
    Number(row.l0).toFixed(1),
    Number(row.nmse).toFixed(4),
    row.deadLatents,
    `${Number(row.ceRecoveredFromZero).toFixed(4)}, ${Number(row.ceRecoveredFromMean).toFixed(4)}`,
    changes.get(row.name) ? percent(Number(changes.get(row.name))) : "",
  ]),
);

const stitched = stages.filter((name) => name.startsWith("stitch-"));
const pairs = (await Promise.all(stitched.map(async (stage) => {
  const claims = await rows(stage, "claims");
  const saes = new Map((await rows(stage, "controls")).map((row) => [row.sae, row]));
  const summary = JSON.parse(await Deno.readTextFile(join(out, stage, "stitch.json")));
  const files = summary.pairs.map(({ file }: { file: string }) => file);
  const names = [...new Set(claims.map(({ pair }) => pair))];
  return await Promise.all(names.map(async (pair, at) => {
    const path = await rows(stage, `path_${files[at]}`);
    const both = pair.split(" → ").map((name) => saes.get(name)!);
    const sizes = both.map(({ dictSize }) => dictSize).join(" → ");
    return {
      title: `${stage.replace(/^stitch-|-seeds$/g, "")} ${sizes}`,
      claims: claims.filter((row) => row.pair === pair),
      gains: both.map(({ gain }) => Number(gain).toFixed(3)).join(", "),
      lowest: `${lowest(path, "mse", "biasMse")}, ${
        lowest(path, "mseWithGain", "biasMseWithGain")
      }`,
    };
  }));
}))).flat();
heading("Pairs");
table(["", "paper", ...pairs.map(({ title }) => title)], [
  ...[...new Set(pairs.flatMap(({ claims }) => claims.map(({ claim }) => claim)))].map((claim) => [
    ...[claim, claim.includes("undone shrinkage") ? "implied" : "yes"],
    ...pairs.map(({ claims }) => claims.find((row) => row.claim === claim)?.verdict ?? ""),
  ]),
  ["gains of both SAEs", "", ...pairs.map(({ gains }) => gains)],
  ["lowest MSE while they are inserted; with gains", "", ...pairs.map(({ lowest }) => lowest)],
  ...NUMBERS.map(([name, paper, pattern]) => [
    ...[name, paper],
    ...pairs.map(({ claims }) => {
      const found = claims.map(({ found }) => found).join("\n");
      return found.match(pattern)?.slice(1).join(", ") ?? "";
    }),
  ]),
]);

for (const [file, title] of [["overlap", "Shared latents"], ["decoder_biases", "Decoder biases"]]) {
  for (const stage of stitched.filter((name) => !name.endsWith("-seeds"))) {
    heading(`${title}: ${stage}`);
    const square = await rows(stage, file);
    const names = square.map(({ sae }) => sae);
    table(
      ["", ...names],
      square.map((row) => [row.sae, ...names.map((name) => Number(row[name]).toFixed(3))]),
    );
  }
}

for (const stage of stages.filter((name) => name.startsWith("meta-"))) {
  heading(`Claims about meta-SAEs: ${stage}`);
  table(
    ["claim", "verdict", "found"],
    (await rows(stage, "claims")).map((row) => [
      row.claim,
      row.why ? `${row.verdict}: ${row.why}` : row.verdict,
      row.found,
    ]),
  );
}

for (const stage of stages.filter((name) => name.startsWith("probes-"))) {
  const probes = await rows(stage, "probes");
  const counts = [...new Set(probes.map((row) => row.k))];
  heading(`Mean accuracy of probes: ${stage}`);
  table(
    ["SAE", ...counts.map((k) => k === "" ? "all" : `k = ${k}`)],
    [...new Set(probes.map(({ name }) => name))].map((name) => [
      name,
      ...counts.map((k) => {
        const own = probes.filter((row) => row.name === name && row.k === k);
        if (own.length === 0) return "";
        return (own.reduce((sum, row) => sum + Number(row.accuracy), 0) / own.length).toFixed(3);
      }),
    ]),
  );
}

heading("Minutes");
table(
  ["stage", "minutes from its first start to its end"],
  await Promise.all(stages.map(async (stage) => {
    const text = await Deno.readTextFile(join(out, stage, "saewing.json")).catch(() => "{}");
    const { started, finished } = JSON.parse(text);
    const minutes = (Date.parse(finished) - Date.parse(started)) / 60_000;
    return [stage, Number.isFinite(minutes) ? minutes.toFixed(1) : "not finished"];
  })),
);

/** The lowest point of a path while novel latents are inserted, without the decoder bias's part, as a change of the MSE. */
function lowest(path: Row[], mse: string, biasMse: string): string {
  let change = 0;
  let least = 0;
  for (const row of path.slice(1)) {
    if (row.phase !== "insert") break;
    change += Number(row[mse]) - Number(row[biasMse]);
    least = Math.min(least, change);
  }
  return percent(least / Number(path[0][mse]));
}

/** The rows of a stage's CSV file; none if there is no file. */
async function rows(stage: string, file: string): Promise<Row[]> {
  const text = await Deno.readTextFile(join(out, stage, `${file}.csv`)).catch(() => "");
  return text === "" ? [] : parse(text, { skipFirstRow: true }) as Row[];
}

function heading(text: string): void {
  console.log(`\n## ${text}\n`);
}

function table(head: string[], body: string[][]): void {
  const line = (cells: string[]) =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|").replaceAll("\n", " ")).join(" | ")} |`;
  console.log([line(head), line(head.map(() => "---")), ...body.map(line)].join("\n"));
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}
