/**
 * A harvest and a sweep in parts on a Slurm of one node and of two, each node a core of this machine, from
 * `sbatch` to the last task's end, and merging. It installs Slurm where it can, as root on Debian:
 *
 * `deno task bench:slurm [--tokens 200000] [--steps 400] [--parts 4] [--rounds 1]`
 */
import { parseArgs } from "@std/cli";
import { fromFileUrl, join } from "@std/path";
import { type Cluster, startCluster, until } from "../tests/heavy/slurm_cluster.ts";
import { median } from "./peer.ts";

const text = parseArgs(Deno.args, { string: ["tokens", "steps", "parts", "rounds"] });
const number = (name: "tokens" | "steps" | "parts" | "rounds", otherwise: number) =>
  Number(text[name] ?? otherwise);
const [tokens, steps] = [number("tokens", 200_000), number("steps", 400)];
const [parts, rounds] = [number("parts", 4), number("rounds", 1)];
const root = fromFileUrl(new URL("..", import.meta.url));

const cluster = await startCluster(console.log);
if (!cluster) Deno.exit(1);
const folder = await Deno.makeTempDir({ prefix: "saewing-bench-" });
try {
  await using running = cluster;
  await measure(running);
} finally {
  await Deno.remove(folder, { recursive: true });
}

/** Seconds of the parts and of merging. */
interface Times {
  parts: number;
  merge: number;
}

async function measure(cluster: Cluster): Promise<void> {
  const [first] = (await Deno.readTextFile(join(root, "tests/fixtures/corpus.jsonl"))).split("\n");
  const words = JSON.parse(first).text.split(" ");
  // Documents of some 5,000 tokens.
  const texts = Array.from({ length: Math.ceil(tokens / 4000) }, (_, i) => {
    const from = i % words.length;
    return JSON.stringify({ text: [...words.slice(from), ...words.slice(0, from)].join(" ") });
  });
  await Deno.writeTextFile(join(folder, "texts.jsonl"), texts.join("\n") + "\n");
  const harvest = (out: string) => [
    ...["harvest", "--model", join(root, "examples/tiny-gpt2")],
    ...["--hook", "blocks.2.hook_resid_pre", "--text", "texts.jsonl", "--tokens", `${tokens}`],
    ...["--shard-rows", "4096", "--out", out],
  ];
  // As many SAEs as parts, of one size: one part has no more to do than another.
  const sweep = (out: string) => [
    ...["sweep", "--activations", "acts-1-0", "--eval-text", "texts.jsonl", "--eval-rows", "4"],
    ...["--dict-size", "1024", "--k", Array.from({ length: parts }, (_, i) => 8 + i).join(",")],
    ...["--steps", `${steps}`, "--checkpoint-every", "0", "--out", out],
  ];
  const times = new Map<string, Times[]>();
  for (let round = 0; round < rounds; round++) {
    for (const [name, command] of [["acts", harvest], ["sweep", sweep]] as const) {
      for (const nodes of [1, 2]) {
        const state = nodes === 1 ? ["State=DRAIN", "Reason=bench"] : ["State=RESUME"];
        await cluster.slurm("scontrol", "update", "NodeName=n2", ...state);
        const ran = await run(cluster, command(`${name}-${nodes}-${round}`));
        const key = `${name === "acts" ? "harvest" : "sweep"} ${nodes}`;
        times.set(key, [...times.get(key) ?? [], ran]);
      }
    }
  }
  console.log(`${parts} parts; harvest of ${tokens} tokens, ${steps} steps per SAE; seconds`);
  console.log("| command | one node | two nodes | speed-up of the parts | merging |");
  console.log("| --- | --- | --- | --- | --- |");
  for (const command of ["harvest", "sweep"]) {
    const [one, two] = [1, 2].map((nodes) => times.get(`${command} ${nodes}`)!);
    const middle = (all: Times[], key: keyof Times) => median(all.map((each) => each[key]));
    const [before, after] = [middle(one, "parts"), middle(two, "parts")];
    const merging = middle([...one, ...two], "merge").toFixed(1);
    const speedUp = (before / after).toFixed(2);
    console.log(
      `| ${command} | ${before.toFixed(1)} | ${after.toFixed(1)} | ${speedUp}× | ${merging} |`,
    );
  }
}

async function run(cluster: Cluster, args: string[]): Promise<Times> {
  const out = args[args.length - 1];
  const started = performance.now();
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", join(root, "cli.ts"), "submit", ...args, "--parts", `${parts}`, "--json"],
    ...{ cwd: folder, env: cluster.env, stderr: "inherit" },
  });
  const { run } = JSON.parse(new TextDecoder().decode((await child.output()).stdout));
  const isOver = async (...jobs: string[]) =>
    await cluster.slurm("squeue", "--noheader", ...jobs) === "";
  await until("end of the parts", () => isOver(`--jobs=${run}`), 3600);
  const middle = performance.now();
  await until("end of merging", () => isOver(), 3600);
  const ended = performance.now();
  await Deno.stat(join(folder, out, "jobs/done"));
  return { parts: (middle - started) / 1000, merge: (ended - middle) / 1000 };
}
