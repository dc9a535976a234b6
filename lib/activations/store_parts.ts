import { basename, dirname, join } from "@std/path";
import { allParts, countParts, partPaths, PARTS_FOLDER, partText } from "../files/part.ts";
import { readPartRecord } from "../files/part_record.ts";
import { patiently } from "../files/patiently.ts";
import { replaceText } from "../files/replace_file.ts";
import { readStoreFolder } from "./store_folder.ts";
import { HEADER_FILE, shardName, shardOf, type StoreHeader } from "./store_header.ts";

/** Where the parts of a store are, relative to its folder: "parts/1-of-2", or of several hooks "../parts/1-of-2/HOOK". */
export async function findStoreParts(folder: string): Promise<string[] | undefined> {
  for (const [out, within] of [[folder, "."], [dirname(folder), basename(folder)]]) {
    const count = await countParts(out);
    if (count === undefined) continue;
    const up = within === "." ? "." : "..";
    return allParts(count).map((part) => join(up, PARTS_FOLDER, partPaths(out, part).name, within));
  }
}

/**
 * Reads a store that is in parts as one: its header, with shards named by where they are. Shards that a merge has
 * moved already are in the store's own folder.
 *
 * @returns Undefined where the folder has no parts.
 * @throws {Error} A part is not finished, or does not fit the others.
 */
export async function readStoreParts(folder: string): Promise<StoreHeader | undefined> {
  const places = await findStoreParts(folder);
  if (!places) return undefined;
  const out = places[0].startsWith("..") ? dirname(folder) : folder;
  const parts = allParts(places.length);
  const headers: StoreHeader[] = [];
  for (const [i, part] of parts.entries()) {
    if (!readPartRecord(out, part)) {
      const text = partText(part);
      throw new Error(
        `${folder} is a store in ${places.length} parts, of which ${text} is not finished: run the ` +
          `harvest with --part ${text}`,
      );
    }
    headers.push(
      await patiently(async () => {
        const header = await readStoreFolder(join(folder, places[i]), folder);
        if (header) return header;
        throw new Error(`${join(folder, places[i])} is not a part of a store`);
      }),
    );
  }
  const header = joinHeaders(headers, folder);
  const present = new Set(await filesOf(folder));
  const moved = (file: string) => present.has(file);
  const shards = header.shards.map((shard, s) => {
    const { turn, count } = headers[0].part!;
    const place = places[Math.floor(s / turn) % count];
    return { ...shard, file: moved(shard.file) ? shard.file : join(place, shard.file) };
  });
  return { ...header, shards };
}

/**
 * Writes the store that parts make up: moves their shards into its folder, then writes its header. The bytes are
 * those of a store that was written in one piece. What a killed merge has moved is taken as it is.
 *
 * @param folder The store's.
 * @param parts Folders of the parts, in order.
 * @returns The header.
 * @throws {Error} The parts do not fit together; a shard cannot be moved.
 */
export async function mergeStoreParts(
  folder: string,
  parts: readonly string[],
): Promise<StoreHeader> {
  const headers: StoreHeader[] = [];
  for (const part of parts) {
    const header = await readStoreFolder(part, folder);
    if (!header) throw new Error(`${part} is not a part of a store: it has no ${HEADER_FILE}`);
    headers.push(header);
  }
  const header = joinHeaders(headers, folder);
  if (header.rows === 0) {
    throw new Error(`there are no activations in ${folder}: all were excluded as massive`);
  }
  await Deno.mkdir(folder, { recursive: true });
  for (const [i, part] of parts.entries()) {
    for (const { file } of headers[i].shards) {
      await Deno.rename(join(part, file), join(folder, file)).catch((error) => {
        // Moved before; its size was checked in the store's folder then.
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      });
    }
  }
  const text = JSON.stringify(header, null, 2) + "\n";
  await replaceText(join(folder, HEADER_FILE), text);
  return header;
}

async function filesOf(folder: string): Promise<string[]> {
  try {
    return await Array.fromAsync(Deno.readDir(folder), ({ name }) => name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

/**
 * The header of the store that parts make up.
 *
 * @param headers Those of all parts, in order.
 * @param folder For errors.
 * @throws {Error} They are not the complete parts of one store.
 */
export function joinHeaders(headers: readonly StoreHeader[], folder: string): StoreHeader {
  const refuse = (i: number, what: string): never => {
    throw new Error(`part ${i + 1}/${headers.length} of the store in ${folder} ${what}`);
  };
  const facts = ({ rows: _, leftOut: __, shards: ___, part, ...same }: StoreHeader) => ({
    ...{ ...same, turn: part?.turn },
  });
  const [first] = headers;
  for (const [i, header] of headers.entries()) {
    const { part, complete } = header;
    if (!complete) refuse(i, "is unfinished");
    if (part?.index !== i + 1 || part.count !== headers.length) {
      refuse(i, `says that it is ${part ? `part ${partText(part)}` : "a whole store"}`);
    }
    if (header.texts?.crc32 !== first.texts?.crc32) {
      const rows = (each?: { tokenRows: number }) => `${each?.tokenRows ?? "no"} token rows`;
      refuse(
        i,
        `comes from other texts than the first: ${rows(header.texts)} with checksum ` +
          `${header.texts?.crc32}, expected ${rows(first.texts)} with ${first.texts?.crc32}`,
      );
    }
    const [own, wanted] = [facts(header), facts(first)] as Record<string, unknown>[];
    for (const name of new Set([...Object.keys(own), ...Object.keys(wanted)])) {
      const [is, was] = [own, wanted].map((all) => JSON.stringify(all[name]) ?? "absent");
      if (is !== was) {
        refuse(i, `has ${name} ${is}, the first ${was}: all parts need the same options`);
      }
    }
  }
  const count = headers.reduce((sum, { shards }) => sum + shards.length, 0);
  const shards: StoreHeader["shards"] = new Array(count);
  for (const [i, { shards: own, part }] of headers.entries()) {
    for (const [s, shard] of own.entries()) {
      const at = shardOf(s, part);
      if (at >= count) {
        refuse(i, `has ${shard.file}, of ${count} shards in all: the parts are of different texts`);
      }
      shards[at] = shard;
    }
  }
  const missing = Array.from(shards).findIndex((shard) => shard === undefined);
  if (missing >= 0) throw new Error(`no part of the store in ${folder} has ${shardName(missing)}`);
  const { part: _, ...header } = first;
  return {
    ...header,
    rows: headers.reduce((sum, { rows }) => sum + rows, 0),
    leftOut: headers.reduce((sum, { leftOut = 0 }) => sum + leftOut, 0),
    shards,
  };
}
