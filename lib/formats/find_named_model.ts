import { dirname, isAbsolute, join, relative, resolve } from "@std/path";
import { existsSync } from "node:fs";

/**
 * Where the model is that an SAE or a store names. A path in them is relative to the folder in which the
 * command ran that wrote them. Where there is none here, it is looked for from their own folder and each
 * folder above it; a name that is not found stays as it is, and may be a hub id.
 *
 * @param from The SAE's or the store's folder; a hub id has no folder.
 */
export function findNamedModel(model: string, from: string): string {
  if (isAbsolute(model) || isThere(model) || !isThere(from)) return model;
  for (let folder = resolve(from);; folder = dirname(folder)) {
    const path = join(folder, model);
    const isModel = path.endsWith(".onnx") ? isThere(path) : isThere(join(path, "config.json"));
    if (isModel) return relative(Deno.cwd(), path);
    if (folder === dirname(folder)) return model;
  }
}

/** Whether a path exists. Paths without read permission count as missing, without a prompt. */
function isThere(path: string): boolean {
  const { state } = Deno.permissions.querySync({ name: "read", path });
  return state === "granted" && existsSync(path);
}
