/**
 * Stand-in for `@std/path`, used only where JSR cannot be reached: the functions that this project
 * calls, with the real package's names and signatures, over Node's.
 *
 * @module
 */
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

/** The character between the parts of a path: "/" or "\\". */
export const SEPARATOR: "/" | "\\" = path.sep;

/** Joins parts into one normalised path. */
export function join(place: string | URL, ...paths: string[]): string {
  return path.join(text(place), ...paths);
}

/** Resolves parts, from right to left, into an absolute path. */
export function resolve(...pathSegments: string[]): string {
  return path.resolve(...pathSegments);
}

/** The folder of a path. */
export function dirname(place: string | URL): string {
  return path.dirname(text(place));
}

/** The last part of a path, without `suffix`. */
export function basename(place: string | URL, suffix = ""): string {
  return path.basename(text(place), suffix);
}

/** The extension of a path, with its dot. */
export function extname(place: string | URL): string {
  return path.extname(text(place));
}

/** Whether a path is absolute. */
export function isAbsolute(place: string): boolean {
  return path.isAbsolute(place);
}

/** The way from one path to another. */
export function relative(from: string, to: string): string {
  return path.relative(from, to);
}

/** A path without `.`, `..` and doubled separators. */
export function normalize(place: string | URL): string {
  return path.normalize(text(place));
}

/** The path of a `file:` URL. */
export function fromFileUrl(url: string | URL): string {
  return fileURLToPath(url);
}

/** The `file:` URL of an absolute path. */
export function toFileUrl(place: string): URL {
  if (!path.isAbsolute(place)) throw new TypeError(`Path must be absolute: received "${place}"`);
  return pathToFileURL(place);
}

function text(place: string | URL): string {
  return typeof place === "string" ? place : fileURLToPath(place);
}
