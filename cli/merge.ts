import { join } from "@std/path";
import { claimFile, describeClaim } from "../lib/files/claim_part.ts";
import { countParts, PARTS_FOLDER } from "../lib/files/part.ts";
import type { PartFile } from "../lib/files/part_record.ts";
import { readParts, removeDamagedCopies } from "../lib/files/read_parts.ts";
import type { Command } from "./command.ts";
import { dashboard } from "./dashboard.ts";
import { mergeDashboard } from "./dashboard_part.ts";
import { mergedHarvestFile, mergeHarvest } from "./harvest_part.ts";
import { UsageError } from "./io.ts";
import { checkOptions, helpOf, namesOf, type Options, shared } from "./options.ts";
import { mergeSweep } from "./sweep_part.ts";
import { type Merge, patienceTime, takeoverTime } from "./part.ts";

const OPTIONS: Options = [
  ["How it tells", [shared("quiet"), shared("json")]],
];

const HELP = helpOf(
  `Puts the parts of a run together: what \`harvest\`, \`sweep\` or \`dashboard\` with --part 1/N to N/N wrote
becomes what the command without --part would have written.

Usage
  saewing merge OUT`,
  OPTIONS,
  `All parts have to be there and whole: every byte is compared with its checksum, and what is missing,
damaged or of other options is named. Large files are moved, not copied. It may be stopped and run
again at any time. Paths that the parts were given must lead to the same files from where it runs.

Examples
  saewing harvest --model examples/tiny-gpt2 --hook blocks.2.hook_resid_pre --text 'corpus/*.txt' \\
    --out activations/tiny --part 1/2
  saewing harvest --model examples/tiny-gpt2 --hook blocks.2.hook_resid_pre --text 'corpus/*.txt' \\
    --out activations/tiny --part 2/2
  saewing merge activations/tiny`,
);

/** How the parts of a command are put together. */
interface Merger {
  merge(merge: Merge): Promise<void>;
  /** Where a merge that was stopped has put a file of a part, relative to the output folder. */
  moved(name: string): string | undefined;
}

const MERGERS: Record<string, Merger> = {
  harvest: { merge: mergeHarvest, moved: mergedHarvestFile },
  sweep: { merge: mergeSweep, moved: (name) => name },
  dashboard: {
    merge: (parts) => mergeDashboard(parts, namesOf(dashboard.options)),
    moved: () => undefined,
  },
};

/** A record can name any command, "constructor" too. */
function mergerOf(command: string): Merger | undefined {
  return Object.hasOwn(MERGERS, command) ? MERGERS[command] : undefined;
}

/** `saewing merge`. */
export const merge: Command = {
  summary: "put the parts of a run together",
  help: HELP,
  options: OPTIONS,
  async run(options, session) {
    const { io, output, signal } = session;
    checkOptions(options, OPTIONS, 1);
    const [out] = options.positional;
    if (!out) throw new UsageError("the folder is missing: saewing merge OUT");
    const count = await countParts(out);
    if (count === undefined) {
      throw new UsageError(
        `${out} has no parts: expected a folder that commands with --part wrote to`,
      );
    }
    await using held = await claimFile(
      join(out, PARTS_FOLDER, "merge.claim.json"),
      `the merge of ${out}`,
      {
        ...{ takeover: takeoverTime(io), signal },
        onWait: (claim) => output.say(`waiting for ${describeClaim(claim)}, which merges ${out}`),
      },
    );
    const own = { ...session, signal: AbortSignal.any([signal, held!.signal]) };
    session.leaves({ text: `\`saewing merge ${out}\` continues`, data: { folder: out } });
    const parts = await readParts(out, {
      ...{ patience: patienceTime(io), signal: own.signal },
      elsewhere: ({ name }: PartFile, { command }) => {
        const moved = mergerOf(command)?.moved(name);
        return moved === undefined ? undefined : join(out, moved);
      },
      onFile: (progress) => output.progress({ phase: "checking parts", ...progress }),
    });
    const [{ command }] = parts.records;
    const merger = mergerOf(command);
    if (!merger) throw new Error(`${out} holds parts of \`saewing ${command}\`, which has none`);
    await removeDamagedCopies(out, parts);
    await merger.merge({ out, parts, session: own });
    output.say(`${count} parts are merged in ${out}`);
    output.result({ folder: out, command, parts: count });
  },
};
