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
