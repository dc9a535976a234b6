// A sweep as a script runs it: a grid, batches, a measure, and a folder to continue from.
import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { parse } from "@std/csv";
import { join } from "@std/path";
import { type CellState, SweepMismatchError, type SweepProgress } from "../../lib/sweep/mod.ts";
import {
  type Device,
  evaluateSae,
  loadCheckpoint,
  loadSae,
  type Sae,
  sweepFolder,
  sweepGrid,
  sweepSaes,
  trainSae,
} from "../../mod.ts";
import { sweepFiles } from "../../lib/report/mod.ts";
import { openCpu } from "../../lib/device/cpu.ts";
import { withFolder } from "../cli/cli_helper.ts";
import { randomMatrix } from "../gpu_helper.ts";
import { trainingBytes } from "../../lib/training/check_memory.ts";
import { completeOptions } from "../../lib/training/complete_options.ts";

const D = 12;
const ROWS = 64;
const batches = () => Array.from({ length: 6 }, (_, i) => randomMatrix(100 + i, ROWS, D));
const heldOut = () => [randomMatrix(7, 50, D)];
const batch = { rows: ROWS, cols: D };
const grid = { architecture: ["topk", "batchtopk"], dictSize: [16, 24], k: 3, steps: 5 } as const;
const NAMES = ["topk_m16", "topk_m24", "batchtopk_m16", "batchtopk_m24"]
  .map((name) => `${name}_k3_seed0`);
const WEIGHTS = ["wEnc", "bEnc", "wDec", "bDec"] as const;

const measureEach = (device: Device, saes: Sae[]) =>
  Promise.all(saes.map(async (sae) => ({ evaluation: await evaluateSae(device, sae, heldOut()) })));

Deno.test("a sweep measures 8 SAEs at once, each result goes to its own, and a missing one is an error", async () => {
  using device = await openCpu({ workers: 0 });
  const cells = sweepGrid({ dictSize: 16, k: [1, 2, 3, 4, 5], seed: [0, 1], steps: 1 });
  const together: number[] = [];
  const rows = await sweepSaes(device, batches, cells, {
    batch,
    measure(saes, measured) {
      together.push(saes.length);
      saes.forEach((sae, i) => assertEquals(sae.k, measured[i].options.k));
      return measureEach(device, saes);
    },
  });
  assertEquals(together, [8, 2]);
  assertEquals(rows.map(({ name }) => name), cells.map(({ name }) => name));
  for (const [i, { options }] of cells.entries()) {
    const { sae } = await trainSae(device, batches(), options);
    assertEquals(rows[i].nmse, (await evaluateSae(device, sae, heldOut())).nmse);
  }
  await assertRejects(
    () => sweepSaes(device, batches, cells, { batch, measure: () => Promise.resolve([]) }),
    RangeError,
    "measure gave 0 results for 8 SAEs",
  );
});

Deno.test("a script sweeps a grid in memory: rows, in order, of SAEs that train alone the same", async () => {
  using device = await openCpu({ workers: 0 });
  const cells = sweepGrid(grid);
  assertEquals(cells.map(({ name }) => name), NAMES);
  const found = new Map<string, Sae>();
  const phases: string[] = [];
  const together: number[] = [];
  const rows = await sweepSaes(device, batches, cells, {
    batch,
    async measure(saes, measured) {
      together.push(saes.length);
      measured.forEach(({ name }, i) => found.set(name, saes[i]));
      return await measureEach(device, saes);
    },
    onProgress: ({ phase }) => phases.push(phase),
  });
  assertEquals(rows.map(({ name }) => name), NAMES);
  assertEquals(phases.filter((phase) => phase !== "training"), [
    ...["start", "trained"],
    ...["measuring", ...NAMES.map(() => "measured")],
  ]);
  assertEquals(together, [4]);
  assert(phases.includes("training"));
  for (const [i, { name, options }] of cells.entries()) {
    const { sae } = await trainSae(device, batches(), options);
    for (const key of WEIGHTS) assertEquals(found.get(name)![key], sae[key], `${name} ${key}`);
    const { nmse, l0, deadLatents } = await evaluateSae(device, sae, heldOut());
    const row = rows[i];
    assertEquals([row.nmse, row.l0, row.deadLatents, row.steps], [nmse, l0, deadLatents, 5]);
    // Nobody measured it.
    assert(Number.isNaN(row.ceDegradation));
  }
  const files = await sweepFiles({
    ...{ rows, date: "2024-01-01", device: "cpu", settings: { steps: 5 } },
    model: { id: "made up", hook: "x" },
  });
  const csv = parse(files["sweep.csv"], { skipFirstRow: true });
  assertEquals(csv.map(({ name, ceDegradation }) => [name, ceDegradation]), [
    ...NAMES.map((name) => [name, ""]),
  ]);
  assertStringIncludes(files["table2.md"], `| ${NAMES[3]} | made up | 24 |`);
  assertEquals(device.allocated, 0);
});

Deno.test("a sweep in a folder continues after an abort, with the bits of one never stopped", async () => {
  using device = await openCpu({ workers: 0 });
  const cells = sweepGrid(grid);
  await withFolder(async (folder) => {
    let measured = 0;
    const options = {
      batch,
      async measure(saes: Sae[]) {
        measured += saes.length;
        return await measureEach(device, saes);
      },
    };
    const never = join(folder, "never");
    const whole = await sweepSaes(device, batches, cells, {
      ...{ ...options, store: sweepFolder(never, { data: "made up" }) },
    });
    // Ended while the second group trains.
    const stopped = join(folder, "stopped");
    const store = sweepFolder(stopped, { data: "made up" });
    const controller = new AbortController();
    const reason = new Error("told to end");
    const groups: number[] = [];
    function* endedInSecondGroup() {
      for (const [i, each] of batches().entries()) {
        if (groups.length === 2 && i === 3) controller.abort(reason);
        yield each;
      }
    }
    const error = await assertRejects(() =>
      sweepSaes(device, endedInSecondGroup, cells, {
        ...{ ...options, store, atOnce: 2, checkpointEvery: 1, signal: controller.signal },
        onProgress(progress: SweepProgress) {
          if (progress.phase === "start") groups.push(progress.group);
        },
      }), Error);
    assertEquals([error, groups], [reason, [1, 2]]);
    const done = (name: string) =>
      Deno.readTextFile(join(stopped, name, "cell.json")).then(
        (text) => JSON.parse(text) as CellState,
        () => undefined,
      );
    assertEquals((await Promise.all(NAMES.map(done))).map((state) => state?.trained.steps), [
      ...[5, 5, undefined, undefined],
    ]);
    assertEquals((await done(NAMES[0]))!.measured, undefined);
    const kept = (await loadCheckpoint(join(stopped, NAMES[2], "checkpoint")))!.steps;
    assert(kept >= 1 && kept < 5, `${kept} steps`);

    measured = 0;
    const resumed: number[][] = [];
    const rows = await sweepSaes(device, batches, cells, {
      ...{ ...options, store, atOnce: 2, checkpointEvery: 1 },
      onProgress(progress) {
        if (progress.phase === "start") resumed.push(progress.resumed);
      },
    });
    assertEquals([resumed, measured], [[[kept, kept]], 4]);
    assertEquals(rows, whole);
    for (const name of NAMES) {
      const [a, b] = [join(never, name, "sae"), join(stopped, name, "sae")];
      const [one, other] = [await loadSae(a), await loadSae(b)];
      for (const key of WEIGHTS) assertEquals(other[key], one[key], `${name} ${key}`);
      await assertRejects(() => Deno.stat(join(stopped, name, "checkpoint")), Deno.errors.NotFound);
    }
    // All is done: nothing is read, nothing measured.
    const neverRead = (): never => {
      throw new Error("read again");
    };
    measured = 0;
    assertEquals(await sweepSaes(device, neverRead, cells, { ...options, store }), whole);
    assertEquals(measured, 0);

    const otherData = sweepFolder(stopped, { data: "another" });
    await assertRejects(
      () => sweepSaes(device, neverRead, cells, { ...options, store: otherData }),
      SweepMismatchError,
      `holds an SAE whose data is "made up", this sweep's is "another"`,
    );
  });
});

Deno.test("SAEs that do not fit into memory together are trained in groups", async () => {
  const cells = sweepGrid({ dictSize: [16, 24, 32], k: 3, steps: 2 });
  const groupsWithin = async (memoryLimit: (sizes: number[]) => number) => {
    using plain = await openCpu({ workers: 0 });
    const sizes = cells.map(({ options }) => trainingBytes(plain, completeOptions(options), batch));
    using device = await openCpu({ workers: 0, memoryLimit: memoryLimit(sizes) });
    const [groups, measured]: string[][][] = [[], []];
    await sweepSaes(device, batches, cells, {
      batch,
      measure: (saes) => measureEach(device, saes),
      onProgress(progress) {
        if (progress.phase === "start") groups.push(progress.saes);
        if (progress.phase === "measuring") measured.push(progress.saes);
      },
    });
    // What fits in training fits in measuring.
    assertEquals(measured, groups);
    return groups;
  };
  const [small, middle, large] = cells.map(({ name }) => name);
  assertEquals(await groupsWithin(([a, b, c]) => a + b + c), [[small, middle, large]]);
  assertEquals(await groupsWithin(([_, b, c]) => b + c - 1), [[small, middle], [large]]);
  await assertRejects(() => groupsWithin(([_, __, c]) => c - 1), Error, "memory");
});

Deno.test("a grid of values: lists of lists, several grids, what an architecture takes", () => {
  const nested = sweepGrid([
    { architecture: "matryoshka_batchtopk", dictSize: 16, k: 2, prefixes: [[4, 16], [8, 16]] },
    { architecture: ["relu", "topk"], dictSize: 8, k: 2, sparsityCoefficient: 0.5, seed: [1, 2] },
  ]);
  assertEquals(nested.map(({ name }) => name), [
    ...["4-16", "8-16"].map((list) => `matryoshka_batchtopk_m16_k2_prefixes${list}_seed0`),
    ...["relu_m8_lambda0.5_seed1", "relu_m8_lambda0.5_seed2", "topk_m8_k2_seed1"],
    "topk_m8_k2_seed2",
  ]);
  assertEquals(nested[0].options.prefixes, [4, 16]);
  const [alone] = sweepGrid({
    ...{ architecture: "matryoshka_batchtopk", dictSize: 16, k: 2, prefixes: [4, 16] } as const,
  });
  assertEquals(alone.options.prefixes, [4, 16]);

  // What every SAE of an architecture has alike is not in its name.
  const own = [{ architecture: "relu", sparsityCoefficient: 0.5, learningRate: [1e-3, 2e-3] }, {
    architecture: "batchtopk",
    k: 2,
    learningRate: 3e-3,
  }] as const;
  assertEquals(
    sweepGrid(own.map((grid) => ({ ...grid, dictSize: 8, lossNormalization: "none" }))).map((
      cell,
    ) => cell.name),
    [
      ...["relu_m8_lambda0.5_lr0.001_seed0", "relu_m8_lambda0.5_lr0.002_seed0"],
      "batchtopk_m8_k2_lr0.003_seed0",
    ],
  );
  const names = sweepGrid([
    { architecture: "relu", dictSize: 8, sparsityCoefficient: 0.5, lossNormalization: "none" },
    { architecture: "batchtopk", dictSize: 8, k: 2 },
  ]).map(({ name }) => name);
  assertEquals(names, ["relu_m8_lambda0.5_seed0", "batchtopk_m8_k2_seed0"]);
});

const BAD: [what: string, grid: unknown, text: string][] = [
  ["no size", { k: 2 }, "dictSize is missing from a grid"],
  ["no values", { dictSize: [], k: 2 }, "dictSize of a grid has no value"],
  [
    "an option that is none",
    { size: 3 },
    "a grid has size, expected one of architecture, dictSize",
  ],
  ["a k above the size", { dictSize: 8, k: 9 }, "batchtopk_m8_k9_seed0 cannot be trained: k is 9"],
];
for (const [what, given, text] of BAD) {
  Deno.test(`a grid with ${what} says so`, () => {
    assertThrows(() => sweepGrid(given as Parameters<typeof sweepGrid>[0]), Error, text);
  });
}
