import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import type { HubFileOptions } from "../../lib/language_model/hub_file.ts";
import { HubFileMissingError } from "../../lib/language_model/hub_location.ts";
import type { FakeHubOptions } from "./fake_hub.ts";
import { small, withHub } from "./hub_helper.ts";

Deno.test("what the hub refuses is said with what to do", async () => {
  const gated = { status: 403, headers: { "x-error-code": "GatedRepo" } };
  const cases: [Partial<HubFileOptions>, string, Partial<FakeHubOptions>?][] = [
    [{ repo: "someone/else" }, "there is no someone/else at http"],
    [{ repo: "someone/else" }, "(401), or it is private: then set HF_TOKEN"],
    [{ repo: "someone/else", token: "t" }, "private: HF_TOKEN has no access to it"],
    [{ revision: "v9" }, "someone/thing has no revision v9"],
    [{}, "is not open to everyone (403): accept its conditions at http", {
      answer: () => new Response("", gated),
    }],
    [{ token: "t" }, "use a token of the account that did", {
      answer: () => new Response("", gated),
    }],
    [{ repo: "../../etc" }, '"../../etc" is not a hub id'],
    [{ revision: ".." }, 'revision is "..", expected'],
    [{ revision: "a/../../b" }, 'revision is "a/../../b", expected'],
    [{ endpoint: "file:///etc" }, "the hub's address (HF_ENDPOINT) is file:///etc"],
    [{}, "redirects to file:///etc/passwd: not followed", {
      answer: () =>
        new Response(null, { status: 302, headers: { location: "file:///etc/passwd" } }),
    }],
    [{}, "redirects more than 10 times", {
      answer: () => new Response(null, { status: 302, headers: { location: "/again" } }),
    }],
    [{ endpoint: "http://127.0.0.1:9", limits: { attempts: 1 } }, "no connection to 127.0.0.1:9"],
  ];
  for (const [more, text, options] of cases) {
    await withHub({ ...small, ...options }, async (get) => {
      assertStringIncludes((await assertRejects(() => get(more), Error)).message, text);
    });
  }
});

Deno.test("a file that is not there is told apart from other errors", async () => {
  await withHub(small, async (get, hub, cacheDir) => {
    await assertRejects(
      () => get({ file: "b.bin" }),
      HubFileMissingError,
      "someone/thing has no file b.bin at revision main",
    );
    hub.asked.length = 0;
    const repository = join(cacheDir, "models--someone--thing");
    await assertRejects(
      () => get({ offline: true, revision: "v1" }),
      HubFileMissingError,
      `a/big.bin of someone/thing at revision v1 is not in the cache (${repository}), and nothing is ` +
        `downloaded in offline mode (HF_HUB_OFFLINE)`,
    );
    assertEquals(hub.asked, []);
  });
});

Deno.test("no name leads out of the cache", async () => {
  await withHub(small, async (get, hub) => {
    for (
      const file of [
        "../x",
        "a/../../x",
        "/etc/passwd",
        "a//b",
        "a/.",
        "",
        "a\\..\\x",
        // A drive's name there; elsewhere some published SAEs have colons in their names.
        ...(Deno.build.os === "windows" ? ["C:x"] : []),
        "a\0b",
      ]
    ) {
      await assertRejects(() => get({ file }), Error, "is not a path inside a hub repository");
    }
    assertEquals(hub.asked, []);
  });
});
