import { join } from "@std/path";

/** Reads a text file; undefined where there is none or it may not be read. */
export type ReadText = (path: string) => string | undefined;

/**
 * Bytes of memory that this process may still take: what is free on the machine or, where that is less,
 * in the control groups that it runs in (containers and batch systems set their limits there). Infinity
 * without permission (`--allow-sys`); Deno lets control groups be read with `-A` only.
 */
export function availableMemory(): number {
  return Math.min(machineMemory(), cgroupMemory(readText) ?? Infinity);
}

function machineMemory(): number {
  try {
    return Deno.systemMemoryInfo().available;
  } catch {
    return Infinity;
  }
}

function readText(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return undefined;
  }
}

/**
 * Bytes that are left in Linux's control groups, of version 1 or 2; undefined without a limit. A group's
 * limit holds for the groups inside it too, so all of them up to the root are looked at. File cache that
 * no one uses does not count: the system gives it back when it is short of memory.
 */
export function cgroupMemory(read: ReadText): number | undefined {
  const groups = (read("/proc/self/cgroup") ?? "").trim().split("\n").map((line) => {
    const [, controllers, ...path] = line.split(":");
    return { controllers, path: path.join(":") };
  });
  const second = groups.find(({ controllers }) => controllers === "")?.path ?? "/";
  const first = groups.find(({ controllers }) => controllers?.split(",").includes("memory"))?.path;
  const left = [
    ...groupsUpTo("/sys/fs/cgroup", second).map((folder) =>
      leftOf(folder, read, "memory.max", "memory.current", "inactive_file")
    ),
    ...groupsUpTo("/sys/fs/cgroup/memory", first ?? "/").map((folder) =>
      leftOf(folder, read, "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
    ),
  ].filter((bytes) => bytes !== undefined);
  return left.length > 0 ? Math.min(...left) : undefined;
}

/** A group's folder and those above it. In a container the path can be one of the machine's, not there. */
function groupsUpTo(root: string, path: string): string[] {
  const parts = path.split("/").filter((part) => part !== "" && part !== "..");
  return Array.from(
    { length: parts.length + 1 },
    (_, i) => join(root, ...parts.slice(0, parts.length - i)),
  );
}

function leftOf(
  folder: string,
  read: ReadText,
  limitFile: string,
  usageFile: string,
  cacheName: string,
): number | undefined {
  // "max", and in version 1 a number near 2^63, are no limit.
  const limit = number(read(join(folder, limitFile)));
  if (limit === undefined || limit >= 2 ** 60) return undefined;
  const used = number(read(join(folder, usageFile))) ?? 0;
  const stat = read(join(folder, "memory.stat")) ?? "";
  const cache = number(new RegExp(`^${cacheName} (\\d+)$`, "m").exec(stat)?.[1]) ?? 0;
  return Math.max(0, limit - Math.max(0, used - cache));
}

function number(text: string | undefined): number | undefined {
  return text !== undefined && /^\d+\s*$/.test(text) ? Number(text) : undefined;
}
