// Configs and headers are 2 to 5 levels deep; recursive code must not overflow the stack.
const maxLevels = 100;

/**
 * Parses the JSON of a file. Duplicate keys are an error: JSON.parse keeps the last one, other
 * parsers the first.
 *
 * @param where Names the file in errors: "header in weights.safetensors".
 * @throws {Error} It is not JSON, more than 100 levels deep, or has a key twice.
 */
export function parseCheckedJson(where: string, text: string): unknown {
  const problem = findProblem(text);
  if (problem !== undefined) throw new Error(`${where} ${problem}`);
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`${where} is not JSON: ${(error as Error).message}`, { cause: error });
  }
}

/** A duplicate key or too deep nesting; syntax errors are left to JSON.parse. */
function findProblem(text: string): string | undefined {
  // The keys of each open object; undefined for an array.
  const open: (Set<string> | undefined)[] = [];
  for (let at = 0; at < text.length; at++) {
    const character = text[at];
    if (character === "{" || character === "[") {
      open.push(character === "{" ? new Set() : undefined);
      if (open.length > maxLevels) return `is more than ${maxLevels} levels deep`;
    } else if (character === "}" || character === "]") open.pop();
    else if (character === '"') {
      const start = at;
      for (at++; at < text.length && text[at] !== '"'; at++) if (text[at] === "\\") at++;
      const keys = open.at(-1);
      let next = at + 1;
      while (/\s/.test(text[next] ?? "")) next++;
      if (!keys || text[next] !== ":") continue;
      const key = keyOf(text.slice(start, at + 1));
      if (key !== undefined && keys.has(key)) return `has the key ${show(key)} twice`;
      if (key !== undefined) keys.add(key);
    }
  }
}

function keyOf(literal: string): string | undefined {
  try {
    return JSON.parse(literal);
  } catch {
    // Not JSON: JSON.parse on the whole text reports it.
    return undefined;
  }
}

/** A key for an error message, cut after 60 characters: files are not trusted. */
function show(key: string): string {
  return JSON.stringify(key.length > 60 ? `${key.slice(0, 60)}…` : key);
}
