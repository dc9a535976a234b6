import type { Gpu } from "../lib/device/gpu.ts";
import { type Device, trainSae } from "../mod.ts";
import { VERSION } from "../lib/version.ts";
import type { Command } from "./command.ts";
import { openCommandDevice } from "./open.ts";
import { checkOptions, helpOf, type Options, shared } from "./options.ts";
import { formatTable, type Output } from "./output.ts";

const OPTIONS: Options = [
  ["Options", [
    {
      name: "install",
      help:
        "on Debian and Ubuntu, as root: install the software Vulkan driver (mesa-vulkan-drivers), on which the tests run the GPU's kernels",
    },
    { name: "quiet", help: "say only what is missing or being installed" },
    shared("device"),
    shared("json"),
  ]],
];

const HELP = helpOf(
  `Shows the device in use, the time of a training step on it, and what is missing.

Usage
  saewing doctor [options]`,
  OPTIONS,
  `DENO_WEBGPU_BACKEND=vulkan, gl, metal or dx12 chooses the driver interface.

Examples
  saewing doctor
  saewing doctor --install`,
);

/** `saewing doctor`. */
export const doctor: Command = {
  summary: "show the device, a timed training step, and what is missing",
  help: HELP,
  options: OPTIONS,
  async run(options, { output, io }) {
    checkOptions(options, OPTIONS);
    const quiet = options.flag("quiet");
    if (options.flag("install")) await installVulkan(output, quiet);
    using device = await openCommandDevice(options, io);
    if (quiet) return;
    const step = await timeStep(device);
    const { limits } = device;
    const onGpu = device.kind === "gpu";
    const features = onGpu ? [...(device as Gpu).features] : [];
    const mebibytes = (bytes: number) => `${Math.round(bytes / 2 ** 20)} MiB`;
    output.say(formatTable([
      ["saewing", VERSION],
      ["Deno", Deno.version.deno],
      ["device", device.name],
      ["kind", !onGpu ? "CPU" : device.software ? "GPU kernels on the CPU" : "GPU"],
      ...(onGpu
        ? [
          ["optional features", features.join(", ") || "none"],
          ["largest binding", mebibytes(limits.maxStorageBufferBindingSize)],
          ["largest buffer", mebibytes(limits.maxBufferSize)],
        ] as [string, string][]
        : []),
      ["training step", `${step.toFixed(1)} ms (n 1024, d 128, m 1024, k 16)`],
    ]));
    if (onGpu && device.software) {
      output.say("\nA software adapter is for tests: `--device cpu` is many times as fast.");
    }
    output.result({
      version: VERSION,
      deno: Deno.version.deno,
      device: device.name,
      kind: device.kind,
      software: device.software,
      features,
      limits,
      stepMilliseconds: step,
    });
  },
};

/** Milliseconds of a training step, after some warm-up steps. */
async function timeStep(device: Device): Promise<number> {
  const [rows, cols] = [1024, 128];
  const data = Float32Array.from({ length: rows * cols }, (_, at) => Math.sin(at * at));
  const times: number[] = [];
  await trainSae(device, Array.from({ length: 8 }, () => ({ rows, cols, data })), {
    architecture: "batchtopk",
    dictSize: 1024,
    k: 16,
    recordEvery: 1,
    onProgress: () => times.push(performance.now()),
  });
  const steps = times.slice(3).map((time, at) => time - times[at + 2]).sort((a, b) => a - b);
  return steps[Math.floor(steps.length / 2)];
}

/** Installs Debian's software Vulkan driver where there is no Vulkan adapter and it may. */
async function installVulkan(output: Output, quiet: boolean): Promise<void> {
  if (Deno.build.os !== "linux" || await hasVulkan()) return;
  if (!await succeeds("apt-get", ["--version"])) {
    output.say("no Vulkan adapter, and no apt-get to install one with");
    return;
  }
  if (Deno.uid() !== 0) {
    output.say("no Vulkan adapter: `sudo apt-get install mesa-vulkan-drivers` gives one");
    return;
  }
  output.say("no Vulkan adapter: installing Debian's software one, mesa-vulkan-drivers …");
  const install = ["install", "-y", "--no-install-recommends", "mesa-vulkan-drivers"];
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  const installed = await succeeds("apt-get", install, env) ||
    (await succeeds("apt-get", ["update"], env) && await succeeds("apt-get", install, env));
  if (!installed) output.say("that failed: tests of the GPU's kernels need an adapter");
  else if (!quiet) output.say("installed");
}

/** Runs in a separate process: the driver interface is chosen once per process. */
async function hasVulkan(): Promise<boolean> {
  const probe = "Deno.exit(await navigator.gpu.requestAdapter() ? 0 : 1)";
  return await succeeds(Deno.execPath(), ["eval", probe], { DENO_WEBGPU_BACKEND: "vulkan" });
}

async function succeeds(
  command: string,
  args: string[],
  env: Record<string, string> = {},
): Promise<boolean> {
  try {
    const child = new Deno.Command(command, { args, env, stdout: "null", stderr: "null" });
    return (await child.output()).success;
  } catch {
    return false;
  }
}
