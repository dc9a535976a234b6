// A chain of commands through a real Slurm of two nodes: whatever is killed, cancelled or started twice, the
// results have the bytes of a run on one machine.
import { assert, assertEquals, assertMatch } from "@std/assert";
import { join } from "@std/path";
import { createRandom } from "../../lib/random.ts";
import { CORPUS, HOOK, MODEL, ROOT, saewingProcess } from "../cli/cli_helper.ts";
import { type Cluster, sleep, startCluster, until } from "./slurm_cluster.ts";

const KILLS = 20;
const HARVEST_PARTS = 3;
const SWEEP_PARTS = 2;

/** Arguments of the chain's commands; paths are relative to the folder that they are called in. */
const HARVEST = [
  ...["harvest", "--model", MODEL, "--hook", HOOK, "--text", "texts.jsonl", "--context", "64"],
  ...["--shard-rows", "8192", "--out", "acts"],
];
const SWEEP = [
  ...["sweep", "--activations", "acts", "--eval-text", "held-out.jsonl", "--eval-rows", "4"],
  ...["--dict-size", "64,128", "--k", "4,8", "--batch-size", "512", "--steps", "100"],
  ...["--checkpoint-every", "20", "--out", "runs"],
];

Deno.test("a chain through Slurm, with failures, has the bytes of one machine", async (t) => {
  await using cluster = await startCluster((why) => console.log(`skipped: ${why}`));
  if (!cluster) return;
  const folder = await Deno.makeTempDir({ prefix: "saewing-chain-" });
  try {
    const wanted = await runHere(join(folder, "here"));
    const at = (name: string) => join(folder, name);
    await t.step("a node killed, a task queued again, a task started twice", async () => {
      await makeFolder(at("failures"));
      await withFailures(cluster, at("failures"));
      await assertSame(at("failures"), wanted);
    });
    await t.step("jobs cancelled and submitted again", async () => {
      await makeFolder(at("again"));
      await cancelledAndSubmittedAgain(cluster, at("again"));
      await assertSame(at("again"), wanted);
    });
    const seed = Math.floor(2 ** 32 * Math.random());
    await t.step(`${KILLS} random kills, seed ${seed}`, async () => {
      const random = createRandom(seed);
      let kills = 0;
      let runs = 0;
      while (kills < KILLS) {
        const own = at(`kills-${runs++}`);
        await makeFolder(own);
        kills += await withKills(cluster, own, KILLS - kills, random.uniform);
        await assertSame(own, wanted);
      }
      console.log(`${kills} kills over ${runs} ${runs === 1 ? "run" : "runs"}`);
    });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

/** Texts to read: the fixture's words, begun at other places, so that documents differ. */
async function makeFolder(folder: string): Promise<void> {
  await Deno.mkdir(folder, { recursive: true });
  const [first] = (await Deno.readTextFile(CORPUS)).split("\n");
  const words = JSON.parse(first).text.split(" ");
  const texts = Array.from({ length: 24 }, (_, i) => {
    const from = Math.floor(words.length * i / 24);
    return JSON.stringify({ text: [...words.slice(from), ...words.slice(0, from)].join(" ") });
  });
  await Deno.writeTextFile(join(folder, "texts.jsonl"), texts.join("\n") + "\n");
  await Deno.copyFile(CORPUS, join(folder, "held-out.jsonl"));
}

async function call(folder: string, args: string[], cluster?: Cluster): Promise<string> {
  const { code, stdout, stderr } = await saewingProcess(args, folder, cluster?.env);
  assertEquals(code, 0, `saewing ${args.join(" ")}: ${stderr}`);
  return stdout;
}

/** The chain without Slurm, in two commands. On one core, as on a node: a report says how many there were. */
async function runHere(folder: string): Promise<Record<string, string>> {
  await makeFolder(folder);
  for (const command of [HARVEST, SWEEP]) {
    const child = new Deno.Command("taskset", {
      args: ["--cpu-list", "0", Deno.execPath(), "run", "-A", join(ROOT, "cli.ts"), ...command],
      ...{ cwd: folder, stdout: "null" },
    });
    const { code, stderr } = await child.output();
    assertEquals(code, 0, new TextDecoder().decode(stderr));
  }
  return await filesOf(folder);
}

async function submitHarvest(cluster: Cluster, folder: string): Promise<void> {
  await call(folder, ["submit", ...HARVEST, "--parts", `${HARVEST_PARTS}`], cluster);
}

async function submitSweep(cluster: Cluster, folder: string): Promise<void> {
  const after = ["--parts", `${SWEEP_PARTS}`, "--after", "acts"];
  await call(folder, ["submit", ...SWEEP, ...after], cluster);
}

/** Waits for the chain's end. Where a job fails, the error has the logs. */
async function ended(cluster: Cluster, folder: string): Promise<void> {
  let late: unknown;
  await until("end of the chain", async () => {
    await cluster.hurry();
    return await cluster.slurm("squeue", "--noheader") === "";
  }, 200).catch((error) => late = error);
  for (const out of ["acts", "runs"]) {
    const { stdout } = await saewingProcess(["status", out], folder, cluster.env);
    if (/merge {2}done/.test(stdout)) continue;
    const queue = `${await cluster.slurm("squeue")}\n${await cluster.slurm("sinfo", "--Node")}`;
    const logs = await logsOf(join(folder, out));
    throw new Error(`${out} is not done: ${late ?? ""}\n${queue}\n${stdout}\n${logs}`);
  }
  if (late) throw late;
}

async function logsOf(out: string): Promise<string> {
  const logs = [];
  for (const inner of ["parts", "jobs"]) {
    for await (const { name } of Deno.readDir(join(out, inner))) {
      if (!name.endsWith(".log")) continue;
      logs.push(`== ${name}\n${await Deno.readTextFile(join(out, inner, name))}`);
    }
  }
  return logs.join("\n");
}

/** SHA-256 of the results by name. saewing.json has times; jobs/ and parts/ are those of Slurm. */
async function filesOf(folder: string): Promise<Record<string, string>> {
  const files: Record<string, string> = {};
  const walk = async (inner: string) => {
    for await (const { name, isDirectory } of Deno.readDir(join(folder, inner))) {
      const path = `${inner}/${name}`;
      if (isDirectory && !/^\w+\/(jobs|parts)$/.test(path)) await walk(path);
      if (isDirectory || name === "saewing.json" || name.startsWith(".")) continue;
      const bytes = await Deno.readFile(join(folder, path));
      const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
      files[path] = hash.toHex();
    }
  };
  for (const out of ["acts", "runs"]) await walk(out);
  assert(files["acts/store.json"] && files["runs/sweep.csv"], Object.keys(files).join(" "));
  return Object.fromEntries(Object.entries(files).sort());
}

/** The same files with the same bytes. */
async function assertSame(folder: string, wanted: Record<string, string>): Promise<void> {
  const found = await filesOf(folder);
  const names = Object.keys({ ...found, ...wanted });
  assertEquals(names.filter((name) => found[name] !== wanted[name]), []);
}

/** Tasks that run on a node, such as "3_1". */
async function tasksOn(cluster: Cluster, node: string): Promise<string[]> {
  const tasks = await cluster.slurm(
    "squeue",
    ...["--noheader", "--array", "--states=RUNNING", `--nodelist=${node}`, "--format=%i"],
  );
  return tasks.split("\n").filter((task) => task !== "");
}

/** Waits until a command works on one of the nodes: a job's script has begun it. */
async function working(cluster: Cluster, ...nodes: string[]): Promise<string> {
  let working: string | undefined;
  await until(`task on ${nodes.join(" or ")}`, async () => {
    await cluster.hurry();
    for (const node of nodes) {
      const [task] = await tasksOn(cluster, node);
      if (task !== undefined && cluster.processes(node).length > 1) working = task;
    }
    return working !== undefined;
  }, 120);
  return working!;
}

async function withFailures(cluster: Cluster, folder: string): Promise<void> {
  await submitHarvest(cluster, folder);
  await submitSweep(cluster, folder);
  await working(cluster, "n1");
  // Started twice: by hand beside Slurm's task. Whoever comes second waits, or finds the part done.
  const twice = saewingProcess([...HARVEST, "--part", `1/${HARVEST_PARTS}`], folder);
  // A node dies, and nobody tells Slurm: it finds out itself after some 25 s.
  await working(cluster, "n2");
  await cluster.kill("n2");
  await until("lost node", async () => {
    const state = await cluster.slurm("sinfo", "--noheader", "--nodes=n2", "--format=%T");
    return /down/.test(state);
  }, 90);
  cluster.start("n2");
  const { code, stderr } = await twice;
  assertEquals(code, 0, stderr);
  // A task is stopped in order, and queued again: on whichever node works. The dead node's part may be all
  // that is left to harvest, and waits there until the claim of the dead task has run out.
  await cluster.slurm("scontrol", "requeue", await working(cluster, ...cluster.nodes));
  await ended(cluster, folder);
}

async function cancelledAndSubmittedAgain(cluster: Cluster, folder: string): Promise<void> {
  await submitHarvest(cluster, folder);
  await working(cluster, "n1");
  await working(cluster, "n2");
  await cluster.slurm("scancel", "--user=root");
  await until("empty queue", async () => await cluster.slurm("squeue", "--noheader") === "");
  const { stdout } = await saewingProcess(["status", "acts"], folder, cluster.env);
  // Slurm tells both of them to end in order: nothing claims them any more.
  assertMatch(stdout, /0 running, .*\n[^]*CANCELLED/);
  await submitHarvest(cluster, folder);
  await submitSweep(cluster, folder);
  await ended(cluster, folder);
}

/** Kills nodes and queues tasks again at random until the chain has ended; gives how often. */
async function withKills(
  cluster: Cluster,
  folder: string,
  most: number,
  uniform: () => number,
): Promise<number> {
  await submitHarvest(cluster, folder);
  await submitSweep(cluster, folder);
  let kills = 0;
  while (kills < most && await cluster.slurm("squeue", "--noheader") !== "") {
    await sleep(200 + 1500 * uniform());
    await cluster.hurry();
    const node = cluster.nodes[Math.floor(uniform() * cluster.nodes.length)];
    const [task] = await tasksOn(cluster, node);
    if (task === undefined) continue;
    // Two of three times without a warning.
    if (uniform() < 2 / 3) await cluster.restart(node);
    else await cluster.slurm("scontrol", "requeue", task).catch(() => kills--);
    kills++;
  }
  await ended(cluster, folder);
  return kills;
}
