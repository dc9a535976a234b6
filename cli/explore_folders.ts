import { join } from "@std/path";
import type { ResultFolder } from "../lib/explorer/mod.ts";
import { findRun, listFiles } from "../lib/formats/run_files.ts";
import { decoderDigest } from "../lib/meta/rows_digest.ts";
import type { Session } from "./command.ts";
import { openSae } from "./open.ts";
import { UsageError } from "./io.ts";
import type { Arguments } from "./options.ts";

/** Commands whose results a site shows beside dashboards. */
const KINDS = ["train", "sweep", "stitch", "meta"] as const;

/**
 * Sorts folders by what they hold.
 *
 * @throws {UsageError} One holds nothing that a site shows, or there are results and no dashboards.
 */
export async function sortFolders(
  folders: readonly string[],
  options: Arguments,
  session: Session,
): Promise<{ dashboards: string[]; results: ResultFolder[] }> {
  const [dashboards, results]: [string[], ResultFolder[]] = [[], []];
  const places = new Set<string>();
  for (const folder of folders) {
    const place = await placeOf(folder);
    const files = await listFiles(folder);
    if (files.includes("dashboard.json")) {
      dashboards.push(folder);
      continue;
    }
    const found = await findRun(folder, files);
    const kind = KINDS.find((kind) => kind === found?.command);
    if (!kind) {
      throw new UsageError(
        `${folder} holds ${
          found ? `what \`saewing ${found.command}\` wrote` : "no dashboard.json"
        }, expected dashboards, or what ${KINDS.join(", ")} wrote of their SAEs`,
      );
    }
    if (found?.finished === undefined) {
      throw new UsageError(`${folder} holds an unfinished run of \`saewing ${kind}\``);
    }
    if (places.has(place)) throw new UsageError(`${folder} is given twice`);
    places.add(place);
    results.push({
      ...{ kind, name: folder, files },
      read: (file) => Deno.readTextFile(join(folder, file)),
      async digest(sae) {
        if (!files.includes(`${sae}/cfg.json`)) return undefined;
        return await decoderDigest(await openSae(join(folder, sae), options, session));
      },
    });
  }
  if (results.length > 0 && dashboards.length === 0) {
    throw new UsageError(
      `there are no dashboards among ${folders.join(", ")}: \`saewing dashboard\` writes them`,
    );
  }
  return { dashboards, results };
}

/** @throws {UsageError} It is no folder. */
async function placeOf(folder: string): Promise<string> {
  const info = await Deno.stat(folder).catch((error) => {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  });
  if (info?.isDirectory) return await Deno.realPath(folder);
  throw new UsageError(
    `${folder} is ${info ? "a file" : "not there"}, expected a folder that ` +
      `\`saewing dashboard\`, ${KINDS.join(", ")} wrote`,
  );
}
