import { assertEquals, assertRejects } from "@std/assert";
import { downloadHubFile } from "../../lib/language_model/hub_file.ts";
import { listHubFiles } from "../../lib/language_model/hub_listing.ts";
import type { HubLimits } from "../../lib/language_model/hub_request.ts";
import { type FakeHubOptions, startFakeHub } from "./fake_hub.ts";

const repo = "someone/thing";

function tree(answers: Record<string, unknown>): FakeHubOptions["answer"] {
  return ({ path }) => {
    const page = /^\/api\/models\/someone\/thing\/tree\/(.*)$/.exec(path)?.[1];
    if (page === undefined) return;
    const body = answers[page];
    if (body === undefined) {
      return new Response("", { status: 404, headers: { "x-error-code": "RevisionNotFound" } });
    }
    const link = page.endsWith("recursive=true")
      ? { link: `</api/models/${repo}/tree/main?page=2>; rel="next"` }
      : undefined;
    return new Response(JSON.stringify(body), { headers: link });
  };
}

Deno.test("files are listed page by page; in offline mode those of the cache", async () => {
  const answers = {
    "main?recursive=true": [
      { type: "directory", path: "layer" },
      { type: "file", path: "layer/b.npz", size: 3 },
    ],
    "main?page=2": [{ type: "file", path: "a.json" }],
    "v1/layer?page=2": [],
  };
  const files = { "layer/b.npz": Uint8Array.of(1, 2, 3) };
  await using hub = startFakeHub({ files, answer: tree(answers) });
  const cacheDir = await Deno.makeTempDir();
  const options = { repo, cacheDir, endpoint: hub.endpoint, limits: { delay: 1 } };
  try {
    assertEquals(await listHubFiles(options), ["a.json", "layer/b.npz"]);
    assertEquals(await listHubFiles({ ...options, offline: true }), []);
    await downloadHubFile({ ...options, file: "layer/b.npz" });
    assertEquals(await listHubFiles({ ...options, offline: true }), ["layer/b.npz"]);
    assertEquals(await listHubFiles({ ...options, offline: true, under: "x" }), []);
    await assertRejects(
      () => listHubFiles({ ...options, revision: "v2" }),
      Error,
      "someone/thing has no revision v2",
    );
    await assertRejects(
      () => listHubFiles({ ...options, under: "../x" }),
      Error,
      '"../x" is not a path inside a hub repository',
    );
  } finally {
    await Deno.remove(cacheDir, { recursive: true });
  }
});

Deno.test("an answer that is no list, or has names that lead out, is refused", async () => {
  for (
    const [body, text] of [
      [{ error: "x" }, 'could not be listed: the answer is {"error":"x"}'],
      [[{ type: "file", path: "../x" }], "is not a path inside a hub repository"],
    ] as const
  ) {
    await using hub = startFakeHub({
      files: {},
      answer: tree({ "main?recursive=true": body }),
    });
    await assertRejects(() => listHubFiles({ repo, endpoint: hub.endpoint }), Error, text);
  }
});

const chunk = new TextEncoder().encode(`[${" ".repeat(999_999)}`);
const endless = (pause: number, bytes = chunk) =>
  new ReadableStream({
    async pull(controller) {
      await new Promise((resolve) => setTimeout(resolve, pause));
      controller.enqueue(bytes);
    },
  });
const bad: [string, () => Response | Promise<Response>, string, Partial<HubLimits>?][] = [
  ["has no end", () => new Response(endless(0)), "more than 100663296 bytes, expected a list"],
  [
    "comes a byte at a time",
    () => new Response(endless(20, chunk.subarray(0, 1))),
    "the list is not complete after 0.4 s",
  ],
  ["stops", () => new Response(new ReadableStream({})), "nothing arrived for 0.05 s (2 attempts)", {
    stallTimeout: 50,
  }],
  [
    "never begins",
    () => new Promise((resolve) => setTimeout(() => resolve(new Response()), 400)),
    "nothing arrived for 0.05 s (2 attempts)",
    { responseTimeout: 50 },
  ],
];

for (const [title, answer, text, more] of bad) {
  Deno.test(`a list that ${title} is given up`, async () => {
    const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, answer);
    const endpoint = `http://127.0.0.1:${server.addr.port}`;
    const listing = title === "comes a byte at a time" ? 400 : 60_000;
    const limits = {
      attempts: 2,
      delay: 1,
      stallTimeout: 60_000,
      listingTimeout: listing,
      ...more,
    };
    await assertRejects(() => listHubFiles({ repo, endpoint, limits }), Error, text);
    await server.shutdown();
  });
}
