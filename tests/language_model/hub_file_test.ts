import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import type { Progress } from "../../lib/progress.ts";
import type { CachedInstead } from "../../lib/language_model/hub_request.ts";
import {
  broken,
  commitOf,
  type FakeHub,
  type FakeHubOptions,
  gitHash,
  sha256,
} from "./fake_hub.ts";
import { bytes, large, other, size, small, withHub } from "./hub_helper.ts";

const contents = ({ asked }: FakeHub) =>
  asked.filter(({ method }) => method === "GET").map(({ host, range }) => [host, range]);

async function files(folder: string): Promise<string[]> {
  const names: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    names.push(...isDirectory ? await files(join(folder, name)) : [name]);
  }
  return names.sort();
}

Deno.test("a hub that does not answer: the cached file is used, and the caller hears of it", async () => {
  await withHub(small, async (get) => {
    const path = await get();
    const told: CachedInstead[] = [];
    const onCached = (notice: CachedInstead) => void told.push(notice);
    assertEquals(await get({ onCached }), path);
    assertEquals(told, []);
    assertEquals(await get({ onCached, endpoint: "http://127.0.0.1:9" }), path);
    assertEquals(told.map(({ repo, file }) => [repo, file]), [["someone/thing", "a/big.bin"]]);
    assertStringIncludes(told[0].reason, "could not be downloaded from http://127.0.0.1:9");
  });
});

for (const [kind, options] of [["large", large], ["small", small]] as const) {
  Deno.test(`a ${kind} file is downloaded once, with progress`, async () => {
    await withHub(options, async (get, hub, cacheDir) => {
      const told: Progress[] = [];
      const path = await get({ onProgress: (progress) => told.push(progress) });
      const commit = commitOf(options.files);
      const repository = join(cacheDir, "models--someone--thing");
      assertEquals(path, join(repository, "snapshots", commit, "a", "big.bin"));
      assertEquals(await Deno.readFile(path), bytes);
      assertEquals(told.at(-1), { phase: "a/big.bin", done: size, total: size });
      assert(told.every(({ done }, i) => i === 0 || done > told[i - 1].done));
      hub.asked.length = 0;
      assertEquals(await get({ offline: true }), path);
      assertEquals(await get({ revision: commit }), path);
      assertEquals(hub.asked, []);
      // Where main is now is asked, nothing is downloaded.
      assertEquals(await get(), path);
      assertEquals(hub.asked.map(({ method }) => method), ["HEAD"]);
    });
  });

  Deno.test(`a ${kind} file whose transfer breaks goes on where it ended`, async () => {
    let breaks = 0;
    await withHub({
      ...options,
      answer: ({ method, host, range }) => {
        const wanted = options === large ? host === "content" : host === "hub";
        if (method !== "GET" || !wanted || breaks === 2) return;
        breaks++;
        const start = range ? 100_000 : 0;
        return new Response(broken(bytes.slice(start), 100_000), {
          status: range ? 206 : 200,
          headers: {
            "content-length": `${size - start}`,
            ...range && { "content-range": `bytes ${start}-${size - 1}/${size}` },
          },
        });
      },
    }, async (get, hub) => {
      const path = await get({ limits: { attempts: 2, delay: 1 } });
      assertEquals(await Deno.readFile(path), bytes);
      const host = options === large ? "content" : "hub";
      const ranges = contents(hub).filter((one) => one[0] === host).map((one) => one[1]);
      assertEquals(ranges, [null, "bytes=100000-", "bytes=200000-"]);
      // Only a tag of the host with the content can be compared by it.
      const tags = hub.asked.filter(({ range }) => range).map(({ ifRange }) => ifRange);
      const own = options === small ? `"${gitHash(bytes)}"` : null;
      assert(tags.every((tag) => tag === own));
    });
  });
}

Deno.test("a stopped download goes on in the next call; content that changed starts afresh", async () => {
  for (const next of [bytes, other]) {
    for (const largeFrom of [1000, undefined]) {
      const options: FakeHubOptions = { files: { "a/big.bin": bytes }, largeFrom };
      let slow = true;
      options.answer = ({ method, host }) => {
        if (!slow || method !== "GET" || (largeFrom && host === "hub")) return;
        const stream = new ReadableStream({ start: (one) => one.enqueue(bytes.slice(0, 7000)) });
        return new Response(stream, { headers: { "content-length": `${size}` } });
      };
      await withHub(options, async (get, hub) => {
        const stop = new AbortController();
        await assertRejects(
          () => get({ signal: stop.signal, onProgress: () => stop.abort(new Error("stopped")) }),
          Error,
          "stopped",
        );
        slow = false;
        options.files["a/big.bin"] = next;
        hub.asked.length = 0;
        assertEquals(await Deno.readFile(await get()), next);
        const range = next === bytes ? "bytes=7000-" : null;
        assertEquals(contents(hub).at(-1)?.[1], range);
      });
    }
  }
});

Deno.test("without a length, without HEAD and without a tag a file still arrives", async () => {
  await withHub({
    ...small,
    answer: ({ method }) => {
      if (method === "HEAD") return new Response(null, { status: 405 });
      return new Response(new Blob([bytes]).stream());
    },
  }, async (get) => {
    const totals = new Set<number | undefined>();
    const path = await get({ onProgress: ({ total }) => totals.add(total) });
    assertEquals(await Deno.readFile(path), bytes);
    assertEquals([...totals], [undefined]);
  });
});

Deno.test("without a tag, a broken transfer starts again: its parts may not fit together", async () => {
  let contents = [bytes, other];
  await withHub({
    ...small,
    answer: ({ method, range }) => {
      if (method === "HEAD") {
        return new Response(null, { headers: { "content-length": `${size}` } });
      }
      assertEquals(range, null);
      const [next, ...rest] = contents;
      contents = rest;
      const body = rest.length > 0 ? broken(next, 5000) : next;
      return new Response(body, { headers: { "content-length": `${size}` } });
    },
  }, async (get) => assertEquals(await Deno.readFile(await get()), other));
});

const never: [string, Partial<FakeHubOptions>, string][] = [
  [
    "a content that is not the announced one",
    { answer: ({ host }) => host === "content" ? new Response(other) : undefined },
    `its SHA-256 is ${sha256(other)}, the hub announced ${sha256(bytes)}`,
  ],
  [
    "too little",
    { answer: ({ host }) => host === "content" ? new Response(bytes.slice(1)) : undefined },
    `of ${size} bytes arrived`,
  ],
  [
    "too much",
    {
      answer: ({ host }) =>
        host === "content" ? new Response(new Blob([bytes, bytes]).stream()) : undefined,
    },
    `more than the ${size} bytes that were announced arrived`,
  ],
  [
    "a refusal of the content host",
    { answer: ({ host }) => host === "content" ? new Response("", { status: 403 }) : undefined },
    "answers 403",
  ],
  ["a server in trouble", { answer: () => new Response("", { status: 503 }) }, "answers 503"],
  [
    "silence",
    {
      answer: ({ host }) =>
        host === "content" ? new Response(new ReadableStream({ start() {} })) : undefined,
    },
    "nothing arrived for 0.05 s",
  ],
];

for (const [title, options, text] of never) {
  Deno.test(`${title}: given up after some attempts, and no file is left`, async () => {
    await withHub({ ...large, ...options }, async (get, hub, cacheDir) => {
      const limits = { attempts: 3, delay: 1, stallTimeout: title === "silence" ? 50 : 5000 };
      const error = await assertRejects(() => get({ limits }), Error);
      assertStringIncludes(
        error.message,
        `a/big.bin of someone/thing could not be downloaded from ${hub.endpoint}: `,
      );
      assertStringIncludes(error.message, text);
      assert(/\(\d+ attempts\)$/.test(error.message));
      assert(!(await files(cacheDir)).includes("big.bin"));
    });
  });
}

Deno.test("a wrong range, or 416, throws the part away and starts again", async () => {
  for (const status of [206, 416]) {
    let wrong = 0;
    await withHub({
      ...large,
      answer: ({ host, range }) => {
        if (host === "hub") return;
        if (range === null && wrong === 0) {
          return new Response(broken(bytes, 5000), { headers: { "content-length": `${size}` } });
        }
        if (range === null) return;
        wrong++;
        const headers = status === 206 ? { "content-range": `bytes 0-4999/${size}` } : undefined;
        return new Response(bytes.slice(0, 5000), { status, headers });
      },
    }, async (get) => {
      assertEquals(await Deno.readFile(await get()), bytes);
      assertEquals(wrong, 1);
    });
  }
});

Deno.test("a server that sends a wrong range whenever one is asked is given up like a broken one", async () => {
  await withHub({
    ...large,
    answer: ({ host, range }) => {
      if (host === "hub") return;
      const body = range === null ? broken(bytes, 5000) : bytes.slice(0, 5000);
      return new Response(body, {
        status: range === null ? 200 : 206,
        headers: range === null
          ? { "content-length": `${size}` }
          : { "content-range": `bytes 0-4999/${size}` },
      });
    },
  }, async (get, hub) => {
    const error = await assertRejects(() => get({ limits: { attempts: 4, delay: 1 } }), Error);
    assertStringIncludes(error.message, "(4 attempts)");
    assertEquals(contents(hub).filter(([host]) => host === "content").length, 4);
  });
});

Deno.test("a file without an announced size ends at a limit, and leaves nothing", async () => {
  let sent = 0;
  await withHub({
    ...small,
    answer: ({ method }) => {
      if (method === "HEAD") return new Response(null, { status: 405 });
      return new Response(
        new ReadableStream({ pull: (one) => (sent += 1e4, one.enqueue(bytes.slice(0, 1e4))) }),
      );
    },
  }, async (get, _hub, cacheDir) => {
    await assertRejects(
      () => get({ limits: { maxUnknownSize: 1e6 } }),
      Error,
      "a/big.bin of someone/thing: more than 1000000 bytes arrived from 127.0.0.1:",
    );
    assert(sent < 1e8);
    const blobs = join(cacheDir, "models--someone--thing", "blobs");
    for (const name of await files(blobs)) {
      assertEquals((await Deno.stat(join(blobs, name))).size, 0);
    }
  });
});

Deno.test("a busy server is asked again when it says, not if that is far off", async () => {
  let busy = 2;
  const later = (seconds: string) => (): Response | undefined =>
    busy-- > 0 ? new Response("", { status: 429, headers: { "retry-after": seconds } }) : undefined;
  await withHub({ ...small, answer: later("0") }, async (get) => {
    // The pause of a minute is the server's to shorten.
    const signal = AbortSignal.timeout(30_000);
    assertEquals(await Deno.readFile(await get({ limits: { delay: 60_000 }, signal })), bytes);
  });
  busy = 1;
  await withHub({ ...small, answer: later("3600") }, async (get) => {
    await assertRejects(() => get(), Error, "answers 429 and asks to wait 3600 s: try again then");
  });
});

Deno.test("the token goes to the hub alone", async () => {
  await withHub(large, async (get, { asked }) => {
    await get({ token: "hf_secret\n" });
    for (const { host, token } of asked) {
      assertEquals(token, host === "hub" ? "Bearer hf_secret" : null);
    }
    assertEquals(new Set(asked.map(({ host }) => host)).size, 2);
  });
});

Deno.test("several calls and a second process at once download a file once", async () => {
  await withHub({
    ...large,
    answer: ({ host }) => {
      if (host === "hub") return;
      const slowly = new ReadableStream({
        async start(controller) {
          for (let at = 0; at < size; at += 30_000) {
            controller.enqueue(bytes.slice(at, at + 30_000));
            await new Promise((resolve) => setTimeout(resolve, 100));
          }
          controller.close();
        },
      });
      return new Response(slowly);
    },
  }, async (get, hub, cacheDir) => {
    const module = import.meta.resolve("../../lib/language_model/hub_file.ts");
    const options = {
      repo: "someone/thing",
      file: "a/big.bin",
      cacheDir,
      endpoint: hub.endpoint,
      offline: false,
    };
    const script = `import { downloadHubFile } from "${module}";
      await downloadHubFile(${JSON.stringify(options)});`;
    const child = new Deno.Command(Deno.execPath(), { args: ["eval", "--no-check", script] });
    const [first, second, { success }] = await Promise.all([get(), get(), child.output()]);
    assert(success);
    assertEquals(first, second);
    assertEquals(await Deno.readFile(first), bytes);
    assertEquals(contents(hub).filter(([host]) => host === "content").length, 1);
  });
});
