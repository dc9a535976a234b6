import { parseCheckedJson } from "../language_model/checked_json.ts";

/**
 * The object that an SAE's `cfg.json` holds.
 *
 * @param path Used in errors.
 * @throws {Error} It is not JSON, or no object.
 */
export function parseConfig(path: string, text: string): Record<string, unknown> {
  const config = parseCheckedJson(path, text);
  if (typeof config !== "object" || config === null || Array.isArray(config)) {
    throw new Error(`${path} is not a JSON object, expected an SAE's config`);
  }
  return config as Record<string, unknown>;
}
