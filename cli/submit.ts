import { join } from "@std/path";
import { countParts } from "../lib/files/part.ts";
import { replaceText } from "../lib/files/replace_file.ts";
import type { Command, Session } from "./command.ts";
import { type Io, UsageError } from "./io.ts";
import { JOB_FILES, JOBS_FOLDER, type Work } from "../lib/jobs/jobs.ts";
import { kubernetesManifest, type PodOptions } from "../lib/jobs/kubernetes_manifest.ts";
import {
  type Arguments,
  checkOptions,
  helpOf,
  namesOf,
  type Options,
  parseArguments,
  shared,
} from "./options.ts";
import { shellLine } from "../lib/jobs/shell_text.ts";
import { submitToSlurm } from "./submit_to_slurm.ts";

const OPTIONS: Options = [
  ["How it runs", [
    {
      name: "parts",
      value: "N",
      help: "number of parts, of harvest, sweep and dashboard; other commands are one job",
      least: 1,
    },
    {
      name: "after",
      value: "FOLDER",
      help: "output folder of an earlier submit, or a number of a job, that must be done first; " +
        "may be repeated",
    },
    {
      name: "setup",
      value: "LINE",
      help: "a line of a shell before the command, such as `module load deno`; may be repeated",
    },
    {
      name: "saewing",
      value: "COMMAND",
      help: "how saewing is called there, as a shell reads it (default: as now), such as " +
        "`apptainer exec saewing.sif saewing`",
    },
    {
      name: "engine",
      value: "NAME",
      help: "slurm (default) or kubernetes",
      choices: ["slurm", "kubernetes"],
    },
    { name: "dry-run", help: "prints what would be handed over, and writes nothing" },
  ]],
  ["Slurm", [
    {
      name: "sbatch",
      value: "OPTIONS",
      help:
        "options of sbatch for its jobs, such as `--gres=gpu:1 --time=8:00:00`; may be repeated",
    },
  ]],
  ["Kubernetes", [
    { name: "image", value: "IMAGE", help: "the containers' image, with a shell and saewing" },
    {
      name: "volume",
      value: "CLAIM:PATH",
      help:
        "a persistent volume claim and where it is mounted, for folders that all parts share; " +
        "the first is the working folder; may be repeated",
    },
    {
      name: "limit",
      value: "NAME=N",
      help: "a container's limit, such as cpu=4 or nvidia.com/gpu=1; may be repeated",
    },
  ]],
  ["Output", [shared("json")]],
];

const HELP = helpOf(
  `Hands a command to Slurm: its parts as an array of jobs, then a job that merges them.

Usage
  saewing submit COMMAND … --out FOLDER [--parts N] [--sbatch OPTIONS] [--after FOLDER]
  saewing submit COMMAND … --out FOLDER [--parts N] --engine kubernetes --image IMAGE`,
  OPTIONS,
  `All arguments that are not listed here are COMMAND's own. Scripts are written to OUT/jobs, logs to
OUT/parts and OUT/jobs; \`saewing status OUT\` says how far it is. A job that was stopped, by a failed
node, by \`scontrol requeue\` or by its time limit, is queued again and goes on from its last
checkpoint. After an error the same command submits again: parts that are done are not computed again.

With --engine kubernetes a manifest is written, OUT/jobs/kubernetes.json, for \`kubectl apply -f\`. It
was checked against the published schema only, not on a cluster.

Examples
  saewing submit harvest --model models/gpt2 --hook blocks.8.hook_resid_pre --text pile.jsonl.gz \\
    --out acts --parts 32 --sbatch '--time=4:00:00 --mem=8G --cpus-per-task=4'
  saewing submit sweep --activations acts --eval-text held-out.jsonl --dict-size 768,3072 \\
    --k 16,32 --out runs/sweep --parts 2 --after acts --sbatch '--gres=gpu:1 --time=24:00:00'
  saewing submit dashboard runs/sweep/batchtopk_m768_k16_seed0/sae --text held-out.jsonl \\
    --out runs/dashboard --after runs/sweep
  saewing status acts`,
);

/** `saewing submit`, for these commands. */
export function submitCommand(commands: () => Record<string, Command>): Command {
  return {
    summary: "hand a command to Slurm or Kubernetes, in parts",
    help: HELP,
    options: OPTIONS,
    passesOn: true,
    async run(options, session, others) {
      checkOptions(options, OPTIONS);
      const work = readWork(options, others, commands(), session.io);
      const divided = work.parts === undefined ? undefined : await countParts(work.out);
      if (divided !== undefined && divided !== work.parts) {
        throw new UsageError(
          `${work.out} holds parts of ${divided}, and --parts is ${work.parts}: take the same ` +
            `number, or another --out`,
        );
      }
      if (options.text("engine") === "kubernetes") {
        refuse(options, ["sbatch"], "slurm");
        await toKubernetes(work, options, session);
      } else {
        refuse(options, ["image", "volume", "limit"], "kubernetes");
        await submitToSlurm(work, options, session);
      }
    },
  };
}

/** @throws {UsageError} The command, or what is to be done with it, does not fit. */
function readWork(
  options: Arguments,
  [name, ...args]: string[],
  commands: Record<string, Command>,
  io: Io,
): Work {
  const writes = Object.entries(commands)
    .filter(([_, { options }]) => hasOption(options, "out")).map(([each]) => each);
  if (name === undefined || !writes.includes(name)) {
    throw new UsageError(
      `the command is ${name ?? "missing"}, expected one that writes a folder: ${
        writes.join(", ")
      }`,
    );
  }
  const table = commands[name].options;
  const own = parseArguments(args, namesOf(table));
  checkOptions(own, table, Infinity);
  if (own.flag("overwrite")) {
    throw new UsageError(
      `--overwrite would begin anew each time that a job is started again: remove what the folder ` +
        `holds, or take another --out`,
    );
  }
  if (hasOption(table, "part") && own.text("part") !== undefined) {
    throw new UsageError("--part is set for each job: give --parts, the number of parts");
  }
  const parts = options.number("parts");
  if (parts !== undefined && !hasOption(table, "part")) {
    throw new UsageError(`${name} has no parts: leave --parts out, and it runs as one job`);
  }
  const out = own.text("out") ?? (hasOption(table, "resume") ? own.text("resume") : undefined);
  if (out === undefined) {
    throw new UsageError("--out is missing: scripts and logs go there too");
  }
  return {
    ...{ command: name, args, out, parts },
    saewing: options.text("saewing") ?? shellLine(io.self()),
    folder: Deno.cwd(),
    setup: options.texts("setup"),
  };
}

function hasOption(table: Options, wanted: string): boolean {
  return table.some(([_, options]) => options.some(({ name }) => name === wanted));
}

/** Writes the manifest, or prints it. */
async function toKubernetes(work: Work, options: Arguments, { output, io }: Session) {
  const pairs = (name: string, pattern: RegExp, form: string) =>
    options.texts(name).map((text) => {
      const [, left, right] = pattern.exec(text) ?? [];
      if (left !== undefined) return [left, right] as const;
      throw new UsageError(`--${name} is ${text}, expected ${form}`);
    });
  const pod: PodOptions = {
    image: options.required("image"),
    volumes: pairs("volume", /^([a-z0-9][a-z0-9.-]*):(\/[^:]*)$/, "CLAIM:PATH, such as data:/data")
      .map(([claim, path]) => ({ claim, path })),
    limits: Object.fromEntries(
      pairs("limit", /^([\w./-]+)=(\d[\w.]*)$/, "NAME=N, such as memory=16Gi"),
    ),
    after: options.texts("after"),
  };
  if (pod.volumes.length === 0) {
    const message = "no --volume: parts and merging need a folder that all of them share";
    output.warn(message, { message });
  }
  // Of the machine that it is called on a container knows nothing.
  const inside = { ...work, saewing: options.text("saewing") ?? "saewing" };
  const text = JSON.stringify(kubernetesManifest(inside, pod), undefined, 2) + "\n";
  if (options.flag("dry-run")) return io.print(text.trimEnd());
  const path = join(work.out, JOBS_FOLDER, JOB_FILES.manifest);
  await Deno.mkdir(join(work.out, JOBS_FOLDER), { recursive: true });
  await replaceText(path, text);
  output.say(`${path}: \`kubectl apply -f ${path}\` starts it`);
  output.result({ engine: "kubernetes", folder: work.out, manifest: path });
}

/** @throws {UsageError} Options of the other engine are given. */
function refuse(options: Arguments, names: string[], engine: string): void {
  const wrong = names.find((name) => options.texts(name).length > 0);
  if (wrong !== undefined) throw new UsageError(`--${wrong} is for --engine ${engine}`);
}
