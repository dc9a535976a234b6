const REPLACEMENTS: Record<string, string> = {
  ...{ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" },
};

/**
 * Makes text safe between tags and inside quoted attributes of HTML and SVG; what XML has no way to
 * write is replaced as by {@linkcode writable}.
 */
export function escapeHtml(text: string): string {
  return writable(text.replace(/[&<>"']/g, (character) => REPLACEMENTS[character]));
}

/**
 * Text with nothing in it that XML cannot write: control characters become the pictures of them that
 * Unicode has (U+2400 and on); halves of surrogate pairs, U+FFFE and U+FFFF become U+FFFD.
 */
export function writable(text: string): string {
  return text.toWellFormed()
    .replace(/(?![\n\r\t])\p{Cc}/gu, (character) => {
      const code = character.charCodeAt(0);
      return String.fromCharCode(code < 32 ? 0x2400 + code : 0xfffd);
    })
    .replace(/[\ufffe\uffff]/g, "\ufffd");
}

/**
 * Makes text safe in a cell of a Markdown table: nothing in it ends the cell or the row, and nothing is
 * read as markup or as HTML. Underscores inside words, as in `batchtopk_m128`, mean nothing and stay.
 */
export function escapeMarkdown(text: string): string {
  return text.replace(/[\\|`*[\]~]|(?<!\w)_|_(?!\w)/g, "\\$&")
    .replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;")
    .replace(/[\p{Cc}\u2028\u2029]+/gu, " ");
}
