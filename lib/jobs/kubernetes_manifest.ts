import { join } from "@std/path";
import { partPaths } from "../files/part.ts";
import { JOB_FILES, JOBS_FOLDER, type Work } from "./jobs.ts";
import { jobName } from "./slurm_scripts.ts";
import { quoteShell, shellLine } from "./shell_text.ts";

/** What pods need beside the command. */
export interface PodOptions {
  /** The container's image, with a shell. */
  image: string;
  /** Folders that all pods share: a claim for a volume, and where it is mounted. The first is the working folder. */
  volumes: { claim: string; path: string }[];
  /** Limits by resource: cpu, memory, nvidia.com/gpu. */
  limits: Record<string, string>;
  /** Output folders of runs that must be done first. */
  after: string[];
}

/** A Kubernetes object. */
export type Manifest = Record<string, unknown>;

// Time from SIGTERM to SIGKILL for a checkpoint; the default is 30 s.
const GRACE_SECONDS = 120;
// Seconds between two looks at a shared folder.
const LOOK_SECONDS = 15;
// Errors per part before the job fails. Pods that were evicted do not count.
const RETRIES = 3;

/**
 * Jobs of a command for Kubernetes: an Indexed Job whose index, plus one, is the part, and a job that merges.
 * Kubernetes has no dependencies between jobs: an init container waits for files in the shared folder.
 */
export function kubernetesManifest(work: Work, pod: PodOptions): Manifest {
  const { command, args, out, parts } = work;
  const name = jobName(command, out).toLowerCase().replaceAll("_", "-").slice(0, 50)
    .replace(/-+$/, "");
  const done = quoteShell(join(out, JOBS_FOLDER, JOB_FILES.done));
  const mark = `mkdir -p ${quoteShell(join(out, JOBS_FOLDER))} && date > ${done}`;
  const call = shellLine([command, ...args]);
  const earlier = pod.after.map((folder) => join(folder, JOBS_FOLDER, JOB_FILES.done));
  const first = earlier.length === 0 ? [] : [container(pod, "wait", waitFor(earlier))];
  const run = (line: string) => container(pod, "saewing", calling(work, line));
  if (parts === undefined) {
    // The command is an init container, so that it is process 1, which SIGTERM reaches; the pod's main
    // container only says that it is done.
    const init = [...first, { ...run(`saewing ${call}`), name: "run" }];
    return list([job(name, pod, { init, main: container(pod, "done", mark) })]);
  }
  const part = `"--part=$((JOB_COMPLETION_INDEX + 1))/${parts}"`;
  const records = Array.from(
    { length: parts },
    (_, i) => partPaths(out, { index: i + 1, count: parts }).done,
  );
  return list([
    job(name, pod, { init: first, main: run(`saewing ${call} ${part}`), parts }),
    job(`${name}-merge`, pod, {
      init: [container(pod, "wait", waitFor(records))],
      main: container(
        pod,
        "saewing",
        `${calling(work, `(saewing ${shellLine(["merge", out])})`)} && ${mark}`,
      ),
    }),
  ]);
}

/** Waits until files are there, one after the other. */
function waitFor(paths: string[]): string {
  const each = paths.map(quoteShell).join(" ");
  return `for file in ${each}; do\n` +
    `  until [ -e "$file" ]; do sleep ${LOOK_SECONDS}; done\ndone`;
}

/** A script in which `saewing` takes the shell's place, so that SIGTERM reaches it. */
function calling({ saewing, setup }: Work, line: string): string {
  return [...setup, `saewing() { exec ${saewing} "$@"; }`, line].join("\n");
}

function container({ image, volumes, limits }: PodOptions, name: string, script: string): Manifest {
  return {
    ...{ name, image },
    // Kubernetes replaces $(NAME) in commands, and $$ by $.
    command: ["/bin/sh", "-c", script.replaceAll("$", "$$$$")],
    ...(volumes.length > 0 && {
      workingDir: volumes[0].path,
      volumeMounts: volumes.map(({ path }, i) => ({ name: `volume-${i}`, mountPath: path })),
    }),
    ...(Object.keys(limits).length > 0 && { resources: { limits } }),
  };
}

function job(
  name: string,
  { volumes }: PodOptions,
  { init, main, parts }: { init: Manifest[]; main: Manifest; parts?: number },
): Manifest {
  return {
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: { name, labels: { "app.kubernetes.io/name": "saewing" } },
    spec: {
      ...(parts !== undefined && {
        completionMode: "Indexed",
        completions: parts,
        parallelism: parts,
      }),
      backoffLimit: RETRIES * (parts ?? 1),
      podFailurePolicy: {
        rules: [
          // Wrong arguments stay wrong.
          {
            action: "FailJob",
            onExitCodes: { operator: "In", values: [2] },
          },
          { action: "Ignore", onPodConditions: [{ type: "DisruptionTarget", status: "True" }] },
        ],
      },
      template: {
        spec: {
          restartPolicy: "Never",
          terminationGracePeriodSeconds: GRACE_SECONDS,
          ...(init.length > 0 && { initContainers: init }),
          containers: [main],
          ...(volumes.length > 0 && {
            volumes: volumes.map(({ claim }, i) => ({
              name: `volume-${i}`,
              persistentVolumeClaim: { claimName: claim },
            })),
          }),
        },
      },
    },
  };
}

function list(items: Manifest[]): Manifest {
  return { apiVersion: "v1", kind: "List", items };
}
