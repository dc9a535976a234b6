/**
 * Makes text safe in a cell of a Markdown table: nothing in it ends the cell or the row, and nothing is
 * read as markup or as HTML. Underscores inside words, as in `batchtopk_m128`, mean nothing and stay.
 */
export function escapeMarkdown(text: string): string {
  return text.replace(/[\\|`*[\]~]|(?<!\w)_|_(?!\w)/g, "\\$&")
    .replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;")
    .replace(/[\p{Cc}\u2028\u2029]+/gu, " ");
}
