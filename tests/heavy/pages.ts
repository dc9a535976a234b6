import { runPages } from "../pages.ts";

Deno.test("commands and scripts of all pages run", async (t) => {
  await runPages(t);
});
