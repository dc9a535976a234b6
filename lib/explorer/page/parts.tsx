/** @jsxImportSource preact */
/// <reference lib="dom" />
import type { VNode } from "preact";

/** What stands in place of a page until it is read. */
export function Waiting({ title }: { title: string }): VNode {
  return (
    <>
      <h1 tabIndex={-1}>{title}</h1>
      <p class="soft" role="status">reading …</p>
    </>
  );
}

/** What stands in place of a page that cannot be shown. */
export function Failed({ title, error }: { title: string; error: string }): VNode {
  return (
    <>
      <h1 tabIndex={-1}>{title}</h1>
      <p class="failed" role="alert">{error}</p>
    </>
  );
}

/** Links to the page before and the page after. */
export function Pages(
  { page, pages, name, href }: {
    page: number;
    pages: number;
    name: string;
    href: (page: number) => string;
  },
): VNode | null {
  if (pages < 2) return null;
  return (
    <nav class="pages" aria-label={name}>
      {page > 1 ? <a href={href(page - 1)} rel="prev">previous</a> : <span>previous</span>}
      <span>
        {page} of {pages}
      </span>
      {page < pages ? <a href={href(page + 1)} rel="next">next</a> : <span>next</span>}
    </nav>
  );
}
