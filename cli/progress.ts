import { formatSeconds } from "../lib/report/format_number.ts";
import type { Progress } from "../mod.ts";

/** Measures phases: share done, and the time left by the phase's own rate. */
export interface Meter {
  /** Updates the progress. Another name starts another phase. */
  update(progress: Progress, details?: string): void;
  /** One line about the phase; undefined before the first update. */
  line(): string | undefined;
  /** Seconds left of the phase; undefined where unknown. */
  secondsLeft(): number | undefined;
}

/**
 * Creates a meter.
 *
 * @param now Milliseconds since any fixed time.
 */
export function createMeter(now: () => number): Meter {
  let at: Progress | undefined;
  let details: string | undefined;
  // Start of the phase: a resumed run starts at its checkpoint's step.
  let [began, first, updated] = [0, 0, 0];
  const secondsLeft = () => {
    if (!at || at.total === undefined || at.done <= first) return undefined;
    const pace = (updated - began) / (at.done - first);
    return Math.max(0, (at.total - at.done) * pace - (now() - updated)) / 1000;
  };
  return {
    update(progress, text) {
      updated = now();
      const isNew = at?.phase !== progress.phase || progress.done < at.done;
      if (isNew) [began, first] = [updated, progress.done];
      at = progress;
      details = text;
    },
    secondsLeft,
    line() {
      if (!at) return undefined;
      const { phase, done, total } = at;
      const left = secondsLeft();
      const amount = total === undefined ? (done > 0 ? `${done}` : "") : `${done} of ${total}`;
      return [
        phase,
        total === undefined ? "" : `${shareOf(done, total)} %`,
        details ?? amount,
        left === undefined
          ? `${formatSeconds(Math.floor((now() - began) / 1000))} so far`
          : `${formatSeconds(Math.ceil(left))} left`,
      ].filter((part) => part !== "").join("  ");
    },
  };
}

/** Percent done, rounded down: 100 means that all is done. */
function shareOf(done: number, total: number): number {
  return total > 0 ? Math.floor(100 * Math.min(1, done / total)) : 100;
}
