/** A text as one word of a shell, whatever is in it; plain words stay as they are. */
export function quoteShell(text: string): string {
  return /^[\w@%+:,./-][\w@%+=:,./-]*$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

/** A command with its arguments as a line of a shell. */
export function shellLine(words: readonly string[]): string {
  return words.map(quoteShell).join(" ");
}
