import type { Loop } from "../device/cpu_stage.ts";
import * as adam from "./adam.ts";
import * as clip from "./clip_gradients.ts";
import * as decode from "./decode.ts";
import * as denseStep from "./dense_step.ts";
import * as encode from "./encode.ts";
import * as gradients from "./gradients.ts";
import * as normalizeInput from "./normalize_input.ts";
import * as normalizeLoss from "./normalize_loss.ts";
import * as ragged from "./ragged.ts";
import * as record from "./record.ts";
import * as roundRows from "./round_rows.ts";
import * as screen from "./screen.ts";
import * as screenCosines from "./screen_cosines.ts";
import * as selectOnCpu from "./select_on_cpu.ts";
import * as selectRows from "./select_rows.ts";
import * as sortOnCpu from "./sort_on_cpu.ts";
import * as sumOnCpu from "./sum_on_cpu.ts";
import * as unitRows from "./unit_rows.ts";
import * as walkOnCpu from "./walk_on_cpu.ts";

const OPERATIONS: Record<string, unknown>[] = [
  adam,
  clip,
  decode,
  denseStep,
  encode,
  gradients,
  normalizeInput,
  normalizeLoss,
  ragged,
  record,
  roundRows,
  screen,
  screenCosines,
  selectOnCpu,
  selectRows,
  sortOnCpu,
  sumOnCpu,
  unitRows,
  walkOnCpu,
];

/** Every function of the operations, loops among them, by name. */
const FUNCTIONS = new Map<string, unknown>();
for (const operation of OPERATIONS) {
  for (const [name, value] of Object.entries(operation)) {
    // Workers find loops by name only.
    if (FUNCTIONS.has(name)) throw new Error(`two operations export ${name}`);
    FUNCTIONS.set(name, value);
  }
}

/** The loop with a name; undefined if there is none. */
export function findLoop(name: string): Loop<never> | undefined {
  return FUNCTIONS.get(name) as Loop<never> | undefined;
}
