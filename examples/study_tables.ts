/**
 * The results of `examples/study.ts` as Markdown tables: SAEs, verdicts on the paper's claims, probes, and the
 * hours of each stage.
 *
 * `deno run -A examples/study_tables.ts OUT`
 */
import { parse } from "@std/csv";
import { join } from "@std/path";

type Row = Record<string, string>;

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

for (const stage of stages.filter((name) => name.startsWith("stitch-"))) {
  const claims = await rows(stage, "claims");
  const pairs = [...new Set(claims.map(({ pair }) => pair))];
  heading(`Claims about pairs: ${stage}`);
  table(
    ["claim", ...pairs],
    [...new Set(claims.map(({ claim }) => claim))].map((claim) => [
      claim,
      ...pairs.map((pair) =>
        claims.filter((row) => row.pair === pair && row.claim === claim)
          .map(({ verdict, why, found }) => `**${verdict}**${why && ` (${why})`}: ${found}`)
          .join(" ")
      ),
    ]),
  );
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
    ["SAE", ...counts.map((k) => `k = ${k}`)],
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

heading("Hours");
table(
  ["stage", "hours from its first start to its end"],
  await Promise.all(stages.map(async (stage) => {
    const text = await Deno.readTextFile(join(out, stage, "saewing.json")).catch(() => "{}");
    const { started, finished } = JSON.parse(text);
    const hours = (Date.parse(finished) - Date.parse(started)) / 3.6e6;
    return [stage, Number.isFinite(hours) ? hours.toFixed(2) : "not finished"];
  })),
);

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
