import { assert, assertEquals } from "@std/assert";
import { availableMemory, cgroupMemory } from "../../lib/formats/available_memory.ts";

const none = "9223372036854771712\n";
const cases: [string, Record<string, string>, number | undefined][] = [
  ["no control groups", {}, undefined],
  ["version 2 without a limit", {
    "/proc/self/cgroup": "0::/\n",
    "/sys/fs/cgroup/memory.max": "max\n",
  }, undefined],
  ["version 2, a container that sees its own root", {
    "/proc/self/cgroup": "0::/\n",
    "/sys/fs/cgroup/memory.max": "1000000\n",
    "/sys/fs/cgroup/memory.current": "300000\n",
  }, 700000],
  ["version 2, unused file cache is free", {
    "/proc/self/cgroup": "0::/\n",
    "/sys/fs/cgroup/memory.max": "1000000\n",
    "/sys/fs/cgroup/memory.current": "900000\n",
    "/sys/fs/cgroup/memory.stat": "anon 5\nfile 500\ninactive_file 400000\nactive_file 7\n",
  }, 500000],
  ["version 2, the limit is of a group further up", {
    "/proc/self/cgroup": "0::/slurm/job_7/step_0\n",
    "/sys/fs/cgroup/slurm/job_7/step_0/memory.max": "max\n",
    "/sys/fs/cgroup/slurm/job_7/memory.max": "5000\n",
    "/sys/fs/cgroup/slurm/job_7/memory.current": "1000\n",
    "/sys/fs/cgroup/slurm/memory.max": "9000\n",
    "/sys/fs/cgroup/slurm/memory.current": "3000\n",
  }, 4000],
  ["version 1", {
    "/proc/self/cgroup": "9:name=systemd:/\n4:cpu,memory:/docker/a:b\n",
    "/sys/fs/cgroup/memory/docker/a:b/memory.limit_in_bytes": "8000\n",
    "/sys/fs/cgroup/memory/docker/a:b/memory.usage_in_bytes": "5000\n",
    "/sys/fs/cgroup/memory/docker/a:b/memory.stat": "inactive_file 1\ntotal_inactive_file 500\n",
    "/sys/fs/cgroup/memory/memory.limit_in_bytes": none,
  }, 3500],
  ["version 1 in a container: the machine's path is not there", {
    "/proc/self/cgroup": "4:memory:/kubepods/pod1/c1\n",
    "/sys/fs/cgroup/memory/memory.limit_in_bytes": "8000\n",
    "/sys/fs/cgroup/memory/memory.usage_in_bytes": "9000\n",
  }, 0],
  ["version 1 without a limit", {
    "/proc/self/cgroup": "4:memory:/\n",
    "/sys/fs/cgroup/memory/memory.limit_in_bytes": none,
  }, undefined],
  ["both, as on mixed systems", {
    "/proc/self/cgroup": "4:memory:/\n0::/\n",
    "/sys/fs/cgroup/memory/memory.limit_in_bytes": "8000\n",
  }, 8000],
  ["what is no number is no limit", {
    "/proc/self/cgroup": "junk",
    "/sys/fs/cgroup/memory.max": "-5 apples\n",
  }, undefined],
];

for (const [title, files, wanted] of cases) {
  Deno.test(`memory of control groups: ${title}`, () => {
    assertEquals(cgroupMemory((path) => files[path]), wanted);
  });
}

Deno.test("available memory is at most what is free on the machine", () => {
  const available = availableMemory();
  assert(available > 0 && available <= Deno.systemMemoryInfo().total);
});
