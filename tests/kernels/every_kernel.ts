// Every kernel that the package can emit, over the options that it is used with.
import { adamVector } from "../../kernels/adam_vector.ts";
import { appendCandidates } from "../../kernels/append_candidates.ts";
import { balanceColumns, columnPeaks } from "../../kernels/balance_columns.ts";
import { judgeCut, predictCut, sampleCut } from "../../kernels/batch_cut.ts";
import { center } from "../../kernels/center.ts";
import { chooseDigit } from "../../kernels/choose_digit.ts";
import { columnSums } from "../../kernels/column_sums.ts";
import { countRows } from "../../kernels/count_rows.ts";
import { decode } from "../../kernels/decode.ts";
import type { Kernel } from "../../kernels/define.ts";
import { denseColumns } from "../../kernels/dense_columns.ts";
import { denseDeltas, denseRows, denseSums } from "../../kernels/dense_gradients.ts";
import { denseLanes } from "../../kernels/dense_lanes.ts";
import { denseTiled } from "../../kernels/dense_tiled.ts";
import { entryGradients } from "../../kernels/entry_gradients.ts";
import {
  keepEdges,
  keepMaxima,
  storeRelu,
  storeScaled,
  subtract,
} from "../../kernels/epilogues.ts";
import {
  chooseRowDigit,
  exactCounts,
  exactDigits,
  exactDots,
  exactRowDigits,
  exactRows,
  ROW_DIGITS,
} from "../../kernels/exact_dots.ts";
import { gradientNorm } from "../../kernels/gradient_norm.ts";
import { gradientSquares } from "../../kernels/gradient_squares.ts";
import { histogram } from "../../kernels/histogram.ts";
import { jumpThresholds } from "../../kernels/jump_thresholds.ts";
import { latentSums } from "../../kernels/latent_sums.ts";
import { layPanels, layRows } from "../../kernels/lay_lanes.ts";
import { listDead } from "../../kernels/list_dead.ts";
import {
  clearCounts,
  countListed,
  placeListed,
  planListed,
  writeListed,
} from "../../kernels/listed_rows.ts";
import { mergeMaxima } from "../../kernels/merge_maxima.ts";
import { normalizeInput } from "../../kernels/normalize_input.ts";
import { normalizeLoss } from "../../kernels/normalize_loss.ts";
import { noteActive } from "../../kernels/note_active.ts";
import { noteKept } from "../../kernels/note_kept.ts";
import { recordStep } from "../../kernels/record_step.ts";
import { roundRows } from "../../kernels/round_rows.ts";
import {
  chooseGroups,
  cutRows,
  judgeRows,
  limitRows,
  raiseMaxima,
} from "../../kernels/row_cuts.ts";
import { rowSquares } from "../../kernels/row_squares.ts";
import { scaleGradients } from "../../kernels/scale_gradients.ts";
import { scaleRows } from "../../kernels/scale_rows.ts";
import { scan } from "../../kernels/scan.ts";
import { countLatents, fillLatents, sumBlocks } from "../../kernels/sort_by_latent.ts";
import { startWhere } from "../../kernels/start_where.ts";
import { thresholdGradients } from "../../kernels/threshold_gradients.ts";
import { updateRows } from "../../kernels/update_rows.ts";
import { walkEntries } from "../../kernels/walk_entries.ts";
import { writeAboveThreshold } from "../../kernels/write_rows.ts";
import {
  prefixErrors,
  prefixOffsets,
  prefixSamples,
  prefixSums,
} from "../../lib/ops/nested_errors.ts";
import { DIGITS } from "../../lib/ops/select.ts";

/** Row lengths: below a vector, whole vectors or not, multiples of 64 lanes or not, several of them. */
export const WIDTHS = [3, 48, 71, 768, 1030];

/** A kernel with the name of its function and the options that it was made with. */
export interface NamedKernel {
  /** Such as `decode d=48 targets`. */
  name: string;
  /** The kernel. */
  kernel: Kernel;
}

/** All kernels, each source once. */
export function everyKernel(): NamedKernel[] {
  const all: NamedKernel[] = [];
  const add = <O extends object>(make: (options: O) => Kernel, each: O[], label = make.name) => {
    for (const options of each) {
      const named = Object.entries(options).filter(([, value]) => value !== false).map(
        ([name, value]) => value === true ? name : `${name}=${value.label ?? value}`,
      );
      all.push({ name: [label, ...named].join(" "), kernel: make(options) });
    }
  };
  const none = [{}];
  const on = <Name extends string>(name: Name) =>
    [false, true].map((value) => ({ [name]: value }) as Record<Name, boolean>);
  const cross = <A, B>(first: A[], second: B[]): (A & B)[] =>
    first.flatMap((a) => second.map((b) => ({ ...a, ...b })));
  const widths = WIDTHS.map((d) => ({ d }));
  const lanes = ([8, 64] as const).map((lanes) => ({ lanes }));
  const vector = on("vector");

  add(adamVector, none);
  add(center, none);
  add(chooseDigit, DIGITS);
  add(columnSums, on("weighted"));
  add(countRows, vector);
  add(decode, cross(widths, on("targets")));
  const columns = [
    { transposed: true, epilogue: storeScaled },
    ...[false, true].map((targets) => ({ transposed: false, epilogue: subtract({ targets }) })),
  ];
  add(denseColumns as (options: object) => Kernel, cross(columns, vector), "denseColumns");
  for (const make of [denseRows, denseDeltas, denseSums]) {
    add(make as (options: object) => Kernel, on("jump"), make.name);
  }
  const epilogues = [storeRelu, keepMaxima, keepEdges].map((epilogue) => ({ epilogue }));
  // The type of a kernel is that of its epilogue, which differ.
  const tiled = [
    ...cross(widths, epilogues.slice(0, 1)),
    ...cross(widths, [{ epilogue: storeScaled }]),
    // Unit rows are filled up with zeros to whole vectors.
    ...cross(WIDTHS.map((d) => ({ d: Math.ceil(d / 4) * 4 })), epilogues.slice(1)),
  ];
  add(denseTiled as (options: object) => Kernel, tiled, "denseTiled");
  const screening = (["int8", "float16", "float32"] as const).flatMap((factors) => {
    const screens = [false, true].flatMap((listed) => [
      { listed, epilogue: raiseMaxima({ factors, listed }) },
      ...(listed ? ["row" as const] : ["batch", "row", "latent"] as const).map((cutOf) => ({
        listed,
        epilogue: appendCandidates({ cutOf, factors, listed }),
      })),
    ]);
    const odd = WIDTHS.filter((d) => d % 4 !== 0).map((d) => ({ d }));
    return [
      ...cross([{ d: 48, factors, vectors: "sizes.vectors" }], screens),
      ...(factors === "float32" ? cross(odd, screens) : []),
    ];
  });
  add(denseTiled as (options: object) => Kernel, screening, "denseTiled");
  for (
    const make of [
      balanceColumns,
      columnPeaks,
      predictCut,
      sampleCut,
      judgeCut,
      clearCounts,
    ] as const
  ) add(make as () => Kernel, none, make.name);
  for (
    const make of [countListed, placeListed, planListed, writeListed, noteKept, startWhere] as const
  ) add(make as () => Kernel, none, make.name);
  const factors = (["int8", "float16", "float32"] as const).map((factors) => ({ factors }));
  add(roundRows, cross(cross(widths, factors), on("biased")));
  add(exactDots, cross(widths, (["batch", "row", "latent"] as const).map((cutOf) => ({ cutOf }))));
  const digits = DIGITS.map((digit, pass) => ({ ...digit, later: pass > 0 }));
  add(exactDigits, cross(widths, digits));
  add(exactCounts, cross(widths, [{ cutOf: "batch" as const }, { cutOf: "latent" as const }]));
  add(exactRows, cross(widths, on("listed")));
  add(exactRows, cross(widths, [{ listed: false, cutOf: "latent" as const }]));
  const rowDigits = ROW_DIGITS.map((digit, pass) => ({ ...digit, later: pass > 0 }));
  add(exactRowDigits, cross(cross(widths, rowDigits), on("listed")));
  add(chooseRowDigit, ROW_DIGITS.map(({ shift }, pass) => ({ shift, first: pass === 0 })));
  add(cutRows, cross(widths, on("listed")));
  for (const make of [chooseGroups, judgeRows, limitRows] as const) {
    add(make as () => Kernel, none, make.name);
  }
  // 8 buffers of 2 rows of 8192 numbers hold the most; small rows share one.
  const room = [[1, 16], [1, 4096], [2, 4096], [4, 4096], [8, 4096]]
    .map(([buffers, vectors]) => ({ buffers, vectors }));
  add(denseLanes as (options: object) => Kernel, cross(room, epilogues), "denseLanes");
  const shares = ([1, 8] as const).map((lanes) => ({ lanes }));
  add(entryGradients, cross(cross(widths, shares), on("penalized")));
  add(gradientNorm, on("jump"));
  add(gradientSquares, cross(cross(widths, on("decoder")), on("dense")));
  add(
    histogram,
    cross(digits, vector),
  );
  add(jumpThresholds, none);
  add(latentSums, none);
  add(layPanels, none);
  add(layRows, none);
  add(listDead, none);
  add(mergeMaxima, none);
  const kinds = ["layer_norm", "constant_norm_rescale", "expected_average_only_in"] as const;
  add(normalizeInput, kinds.map((kind) => ({ kind })));
  add(normalizeLoss, none);
  add(noteActive, on("jump"));
  add(prefixErrors, cross(widths, on("begins")));
  add(prefixOffsets, none);
  add(prefixSamples, none);
  add(prefixSums, cross(widths, on("auxiliary")));
  add(recordStep, [
    { penalized: false, jump: false },
    { penalized: true, jump: false },
    { penalized: true, jump: true },
  ]);
  add(rowSquares, none);
  add(scaleGradients, on("entries"));
  add(scaleRows, none);
  add(scan, none);
  add(countLatents, none);
  add(sumBlocks, none);
  add(fillLatents, none);
  add(thresholdGradients, widths);
  add(updateRows, cross(cross(widths, on("decoder")), on("dense")));
  add(walkEntries, cross(cross(widths, on("restart")), on("two")));
  add(writeAboveThreshold, cross(lanes, vector));
  return all;
}
