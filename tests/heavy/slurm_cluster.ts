// A Slurm cluster of two nodes of one core each on this machine, in a temporary folder: for tests as root.
import { join } from "@std/path";

/** A cluster that runs until it is disposed of. */
export interface Cluster extends AsyncDisposable {
  /** Names of its nodes. */
  nodes: string[];
  /** Variables with which Slurm's programs find it. */
  env: Record<string, string>;
  /** Runs one of Slurm's programs; gives what it printed. */
  slurm(program: string, ...args: string[]): Promise<string>;
  /** Kills a node with SIGKILL: its daemon, its jobs' daemons and all their processes. */
  kill(node: string): Promise<void>;
  /** Starts a node that was killed. */
  start(node: string): void;
  /** Kills a node, tells Slurm at once that it is down, and starts it anew: seconds in place of half a minute. */
  restart(node: string): Promise<void>;
  /** Lets jobs that were queued again start at once: Slurm would wait for two minutes. */
  hurry(): Promise<void>;
  /** Process numbers of a job's tasks on a node: its script and all below. */
  processes(node: string): number[];
}

const NODES = ["n1", "n2"];

/**
 * Starts one, after installing Slurm where that is possible.
 *
 * @param say Is told why there is none.
 */
export async function startCluster(say: (text: string) => void): Promise<Cluster | undefined> {
  const problem = await install();
  if (problem !== undefined) {
    say(`no Slurm: ${problem}`);
    return undefined;
  }
  const folder = await Deno.makeTempDir({ prefix: "saewing-slurm-" });
  const at = (name: string) => join(folder, name);
  for (const name of ["state", "log", ...NODES]) await Deno.mkdir(at(name));
  await Deno.writeFile(at("munge.key"), crypto.getRandomValues(new Uint8Array(128)), {
    mode: 0o600,
  });
  await Deno.writeTextFile(at("slurm.conf"), configuration(folder, freePorts(1 + NODES.length)));
  const env = { SLURM_CONF: at("slurm.conf") };
  const daemons = new Map<string, Deno.ChildProcess>();
  const start = (name: string, program: string, args: string[]) => {
    const options = { args, env, stdin: "null", stdout: "null", stderr: "null" } as const;
    daemons.set(name, new Deno.Command(program, options).spawn());
  };
  // Each node has a core of its own, where there are enough: what it starts inherits that.
  const startNode = (node: string) => {
    const core = NODES.indexOf(node) % navigator.hardwareConcurrency;
    start(node, "taskset", ["--cpu-list", `${core}`, "slurmd", "-D", "-N", node]);
  };
  const stop = async (name: string, signal: Deno.Signal) => {
    const child = daemons.get(name);
    daemons.delete(name);
    try {
      child?.kill(signal);
    } catch {
      // It has ended.
    }
    await child?.status;
  };
  /** When jobs were last told to start, by their numbers. */
  const hurried = new Map<string, number>();
  const cluster: Cluster = {
    ...{ nodes: NODES, env, start: startNode },
    async slurm(program, ...args) {
      const { code, stdout, stderr } = await new Deno.Command(program, { args, env }).output();
      const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes).trim();
      if (code === 0) return text(stdout);
      throw new Error(`${program} ${args.join(" ")} ended with ${code}: ${text(stderr)}`);
    },
    async kill(node) {
      await stop(node, "SIGKILL");
      killAll(jobProcesses(env.SLURM_CONF, node));
    },
    async restart(node) {
      await cluster.kill(node);
      const state = (name: string) =>
        cluster.slurm("scontrol", "update", `NodeName=${node}`, `State=${name}`, "Reason=killed");
      await state("DOWN");
      startNode(node);
      await until(`idle ${node}`, async () => {
        // It may have come back by itself, which is an error here.
        await state("RESUME").catch(() => {});
        const now = await cluster.slurm("sinfo", "--noheader", `--nodes=${node}`, "--format=%T");
        return !/down|unknown|\*/.test(now);
      });
    },
    async hurry() {
      const queued = await cluster.slurm(
        "squeue",
        ...["--noheader", "--array", "--states=PENDING", "--format=%i %r %S"],
      );
      for (const line of queued.split("\n")) {
        const [id, reason, start] = line.trim().split(" ");
        if (reason !== "BeginTime" || Date.parse(start) < Date.now() + 10_000) continue;
        // The time may be the scheduler's guess, a minute away: changed at each call, it would never come.
        if (Date.now() < (hurried.get(id) ?? 0) + 8000) continue;
        hurried.set(id, Date.now());
        // A node refuses what has the time, in seconds, at which the job was stopped there.
        const change = cluster.slurm("scontrol", "update", `JobId=${id}`, "StartTime=now+2");
        // It may have begun, or be cancelled, by now.
        await change.catch(() => {});
      }
    },
    processes: (node) => jobProcesses(env.SLURM_CONF, node, false),
    async [Symbol.asyncDispose]() {
      for (const node of NODES) await cluster.kill(node);
      await stop("slurmctld", "SIGKILL");
      await stop("munged", "SIGKILL");
      // What a job still writes.
      for (let tries = 0; tries < 20; tries++) {
        try {
          return await Deno.remove(folder, { recursive: true });
        } catch {
          await sleep(100);
        }
      }
    },
  };
  start("munged", "munged", [
    ...[
      "--foreground",
      "--force",
      `--socket=${at("munge.socket")}`,
      `--key-file=${at("munge.key")}`,
    ],
    ...[`--log-file=${at("log/munged")}`, `--pid-file=${at("munged.pid")}`],
    `--seed-file=${at("munge.seed")}`,
  ]);
  try {
    await until("munged", () => Deno.statSync(at("munge.socket")).isSocket === true);
    start("slurmctld", "slurmctld", ["-D"]);
    for (const node of NODES) startNode(node);
    await until("two idle nodes", async () => {
      const states = await cluster.slurm("sinfo", "--noheader", "--Node", "--format=%T");
      return states.split("\n").filter((state) => state === "idle").length === NODES.length;
    });
  } catch (error) {
    const log = await Deno.readTextFile(at("log/slurmctld")).catch(() => "");
    await cluster[Symbol.asyncDispose]();
    say(`no Slurm: ${(error as Error).message}; ${log.trim().split("\n").slice(-3).join("; ")}`);
    return undefined;
  }
  return cluster;
}

/** Installs Slurm by apt-get; gives the reason where it cannot. */
async function install(): Promise<string | undefined> {
  if (Deno.build.os !== "linux") return "it is for Linux";
  if (Deno.uid() !== 0) return "its daemons are started as root";
  if (await has("slurmctld") && await has("slurmd") && await has("munged")) return undefined;
  if (!await has("apt-get")) return "there is no apt-get to install it";
  const apt = async (...args: string[]) => {
    const { code, stderr } = await new Deno.Command("apt-get", {
      ...{ args, env: { DEBIAN_FRONTEND: "noninteractive" }, stdout: "null" },
    }).output();
    return code === 0 ? undefined : new TextDecoder().decode(stderr).trim().split("\n").at(-1);
  };
  const wanted = ["install", "-y", "--no-install-recommends", "slurm-wlm", "munge"];
  // Without lists of packages a second try.
  if (await apt(...wanted) === undefined) return undefined;
  await apt("update");
  const problem = await apt(...wanted);
  return problem && `apt-get could not install it: ${problem}`;
}

async function has(program: string): Promise<boolean> {
  try {
    const child = new Deno.Command(program, { args: ["-V"], stdout: "null", stderr: "null" });
    await child.output();
    return true;
  } catch {
    return false;
  }
}

function configuration(folder: string, [controller, ...ports]: number[]): string {
  const node = (name: string, i: number) =>
    `NodeName=${name} NodeHostname=localhost NodeAddr=127.0.0.1 Port=${ports[i]} CPUs=1`;
  return `ClusterName=saewing
SlurmctldHost=localhost
SlurmctldPort=${controller}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CryptoType=crypto/munge
AuthInfo=socket=${folder}/munge.socket
StateSaveLocation=${folder}/state
SlurmdSpoolDir=${folder}/%n
SlurmctldPidFile=${folder}/slurmctld.pid
SlurmdPidFile=${folder}/%n.pid
SlurmctldLogFile=${folder}/log/slurmctld
SlurmdLogFile=${folder}/log/%n
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
MpiDefault=none
ReturnToService=2
# A node that does not answer is down after so many seconds.
SlurmdTimeout=5
KillWait=20
SchedulerParameters=bf_interval=1,sched_interval=1,batch_sched_delay=0,sched_min_interval=0
${NODES.map(node).join("\n")}
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
`;
}

function freePorts(count: number): number[] {
  const listeners = Array.from(
    { length: count },
    () => Deno.listen({ hostname: "127.0.0.1", port: 0 }),
  );
  const ports = listeners.map(({ addr }) => (addr as Deno.NetAddr).port);
  for (const listener of listeners) listener.close();
  return ports;
}

/** Processes of this cluster's jobs on a node, and the daemons that watch them. */
function jobProcesses(conf: string, node: string, withDaemons = true): number[] {
  const found = new Set<number>();
  for (const { name } of Deno.readDirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const variables = Deno.readTextFileSync(`/proc/${name}/environ`).split("\0");
      if (!variables.includes(`SLURM_CONF=${conf}`)) continue;
      if (!variables.includes(`SLURMD_NODENAME=${node}`)) continue;
      found.add(Number(name));
      // The fourth field after the name in parentheses, which may hold anything.
      const [, parent] = Deno.readTextFileSync(`/proc/${name}/stat`).split(") ")[1].split(" ");
      const daemon = Deno.readTextFileSync(`/proc/${parent}/comm`).trim();
      if (withDaemons && daemon === "slurmstepd") found.add(Number(parent));
    } catch {
      // It has ended.
    }
  }
  return [...found];
}

function killAll(processes: number[]): void {
  for (const pid of processes) {
    try {
      Deno.kill(pid, "SIGKILL");
    } catch {
      // It has ended.
    }
  }
}

/** Waits until something is so; a check that throws is not. */
export async function until(
  what: string,
  check: () => boolean | Promise<boolean>,
  seconds = 30,
): Promise<void> {
  const end = performance.now() + 1000 * seconds;
  for (let last: unknown = undefined;;) {
    try {
      if (await check()) return;
    } catch (error) {
      last = error;
    }
    if (performance.now() > end) {
      throw new Error(`no ${what} after ${seconds} s${last ? `: ${(last as Error).message}` : ""}`);
    }
    await sleep(100);
  }
}

/** Waits for some milliseconds. */
export const sleep = (ms: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, ms));
