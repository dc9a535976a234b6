// Configs and headers are 2 to 5 levels deep. Code that walks a value calls itself once a level.
const mostLevels = 100;

/**
 * Parses JSON that a file holds. Of two equal keys in one object a parser takes the last in silence,
 * another program perhaps the first: both are refused.
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

/** What is wrong with a JSON text apart from its syntax, which is not judged here. */
function findProblem(text: string): string | undefined {
  // Of each object that is open its keys; undefined of an array.
  const open: (Set<string> | undefined)[] = [];
  for (let at = 0; at < text.length; at++) {
    const character = text[at];
    if (character === "{" || character === "[") {
      open.push(character === "{" ? new Set() : undefined);
      if (open.length > mostLevels) return `is more than ${mostLevels} levels deep`;
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
    // The whole text is no JSON then, which is told by its parser.
    return undefined;
  }
}

/** Keys come from the file: long ones are cut. */
function show(key: string): string {
  return JSON.stringify(key.length > 60 ? `${key.slice(0, 60)}…` : key);
}
