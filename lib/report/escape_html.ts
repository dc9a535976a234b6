const REPLACEMENTS: Record<string, string> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/**
 * Makes text safe between tags and inside quoted attributes of HTML and SVG. Control characters, which
 * XML has no way to write, become the pictures of them that Unicode has (U+2400 and on); halves of
 * surrogate pairs and U+FFFE and U+FFFF, which it does not have either, become U+FFFD.
 */
export function escapeHtml(text: string): string {
  return text.toWellFormed()
    .replace(/[&<>"']/g, (character) => REPLACEMENTS[character])
    .replace(/(?![\n\r\t])\p{Cc}/gu, (character) => {
      const code = character.charCodeAt(0);
      return String.fromCharCode(code < 32 ? 0x2400 + code : 0xfffd);
    })
    .replace(/[\ufffe\uffff]/g, "\ufffd");
}
