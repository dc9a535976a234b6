import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { dirname, fromFileUrl, join, relative, resolve } from "@std/path";
import { homedir } from "node:os";
import { hubCacheFolder, lockBlob } from "../../lib/language_model/hub_cache.ts";
import { downloadHubFile } from "../../lib/language_model/hub_file.ts";
import { listHubFiles } from "../../lib/language_model/hub_listing.ts";
import { HubFileMissingError } from "../../lib/language_model/hub_location.ts";
import { commitOf, type FakeHubOptions, gitHash, sha256 } from "./fake_hub.ts";
import { bytes, large, other, size, small, withHub } from "./hub_helper.ts";

/** All of a folder: links with where they lead to, other files with their sizes. */
async function tree(folder: string, root = folder): Promise<Record<string, string | number>> {
  const found: Record<string, string | number> = {};
  for await (const { name, isDirectory, isSymlink } of Deno.readDir(folder)) {
    const path = join(folder, name);
    const key = relative(root, path);
    if (isDirectory) Object.assign(found, await tree(path, root));
    else if (isSymlink) found[key] = `-> ${await Deno.readLink(path)}`;
    else found[key] = (await Deno.stat(path)).size;
  }
  return found;
}

const repository = "models--someone--thing";

Deno.test("the cache is huggingface_hub's: variables in its order", () => {
  const home = homedir();
  const cases: [Record<string, string>, string][] = [
    [{}, join(home, ".cache/huggingface/hub")],
    [{ XDG_CACHE_HOME: "/x" }, "/x/huggingface/hub"],
    [{ XDG_CACHE_HOME: "/x", HF_HOME: "/h" }, "/h/hub"],
    [{ XDG_CACHE_HOME: "/x", HF_HOME: "/h", HF_HUB_CACHE: "/c" }, "/c"],
    [{ HF_HOME: "~/h" }, join(home, "h/hub")],
    [{ HF_HUB_CACHE: "~" }, home],
    [{ HF_HUB_CACHE: "", HF_HOME: "h" }, resolve("h/hub")],
  ];
  for (const [env, folder] of cases) {
    assertEquals(hubCacheFolder(undefined, (name) => env[name]), resolve(folder));
  }
  assertEquals(hubCacheFolder("here", () => "/c"), resolve("here"));
});

Deno.test("a download leaves what huggingface_hub would leave", async () => {
  const files = { "config.json": other, "a/b/big.bin": bytes };
  await withHub({ files, largeFrom: size + 1 }, async (get, _hub, cacheDir) => {
    const commit = commitOf(files);
    await get({ file: "config.json" });
    await get({ file: "a/b/big.bin", revision: "refs/pr/1" });
    await assertRejects(() => get({ file: "none.txt", revision: "v1" }), HubFileMissingError);
    const [blob, blob2] = [gitHash(bytes), gitHash(other)];
    assertEquals(await tree(cacheDir), {
      [`.locks/${repository}/${blob}.lock`]: 0,
      [`.locks/${repository}/${blob2}.lock`]: 0,
      [`${repository}/.no_exist/${commit}/none.txt`]: 0,
      [`${repository}/blobs/${blob}`]: size,
      [`${repository}/blobs/${blob2}`]: size,
      [`${repository}/refs/main`]: 40,
      [`${repository}/refs/v1`]: 40,
      [`${repository}/refs/refs/pr/1`]: 40,
      [`${repository}/snapshots/${commit}/config.json`]: `-> ../../blobs/${blob2}`,
      [`${repository}/snapshots/${commit}/a/b/big.bin`]: `-> ../../../../blobs/${blob}`,
    });
    assertEquals(await Deno.readTextFile(join(cacheDir, repository, "refs/main")), commit);
  });
  await withHub(large, async (get, _hub, cacheDir) => {
    await get();
    assert(await Deno.stat(join(cacheDir, repository, "blobs", sha256(bytes))));
  });
});

// By hand, as huggingface_hub 2.4 writes it.
async function writePythonsCache(cacheDir: string): Promise<{ older: string; newer: string }> {
  const older = "0".repeat(39) + "a";
  const newer = "0".repeat(39) + "b";
  const [config, config2, weights] = [bytes.subarray(0, 10), other.subarray(0, 10), bytes];
  const xet = "ab".repeat(32);
  const write: Record<string, Uint8Array | string> = {
    "CACHEDIR.TAG": "Signature: 8a477f597d28d172789f06886806bc55\n",
    [`.locks/${repository}/${gitHash(config)}.lock`]: "",
    [`${repository}/refs/v1`]: older,
    [`${repository}/refs/main`]: newer,
    [`${repository}/refs/refs/pr/1`]: newer,
    [`${repository}/blobs/${gitHash(config)}`]: config,
    [`${repository}/blobs/${gitHash(config2)}`]: config2,
    [`${repository}/.no_exist/${newer}/none.txt`]: "",
    // Contents that several repositories may have are kept once in the cache.
    [`blobs/ab/${xet}`]: weights,
    [`blobs/ab/${xet}.refs`]: `${repository}/blobs/${sha256(weights)}\n`,
  };
  const link: Record<string, string> = {
    [`${repository}/blobs/${sha256(weights)}`]: `../../blobs/ab/${xet}`,
    [`${repository}/snapshots/${older}/cfg.json`]: `../../blobs/${gitHash(config)}`,
    [`${repository}/snapshots/${newer}/cfg.json`]: `../../blobs/${gitHash(config2)}`,
    [`${repository}/snapshots/${newer}/a/big.bin`]: `../../../blobs/${sha256(weights)}`,
  };
  for (const [name, content] of Object.entries(write)) {
    await Deno.mkdir(dirname(join(cacheDir, name)), { recursive: true });
    await Deno.writeFile(
      join(cacheDir, name),
      typeof content === "string" ? new TextEncoder().encode(content) : content,
    );
  }
  for (const [name, target] of Object.entries(link)) {
    await Deno.mkdir(dirname(join(cacheDir, name)), { recursive: true });
    await Deno.symlink(target, join(cacheDir, name));
  }
  return { older, newer };
}

Deno.test("a cache that Python wrote is read: branches, tags, commits, links", async () => {
  await withHub(large, async (get, hub, cacheDir) => {
    const { older, newer } = await writePythonsCache(cacheDir);
    const before = await tree(cacheDir);
    const file = "cfg.json";
    for (
      const [revision, content] of [
        ["main", other],
        ["v1", bytes],
        ["refs/pr/1", other],
        [older, bytes],
        [newer, other],
      ] as const
    ) {
      const path = await get({ file, revision, offline: true });
      assertEquals(await Deno.readFile(path), content.subarray(0, 10), revision);
    }
    assertEquals(await Deno.readFile(await get({ offline: true })), bytes);
    const missing = { file: "none.txt", revision: newer };
    await assertRejects(() => get(missing), HubFileMissingError, "has no file none.txt");
    const list = { repo: "someone/thing", cacheDir, offline: true };
    assertEquals(await listHubFiles(list), ["a/big.bin", "cfg.json"]);
    assertEquals(await listHubFiles({ ...list, under: "a" }), ["a/big.bin"]);
    assertEquals(await listHubFiles({ ...list, revision: "v1" }), ["cfg.json"]);
    assertEquals(hub.asked, []);
    // Main is elsewhere by now; the content is the same, and is not downloaded.
    await get();
    assertEquals(hub.asked.map(({ method }) => method), ["HEAD"]);
    const commit = commitOf(large.files);
    assertEquals(await tree(cacheDir), {
      ...before,
      [`.locks/${repository}/${sha256(bytes)}.lock`]: 0,
      [`${repository}/snapshots/${commit}/a/big.bin`]: `-> ../../../blobs/${sha256(bytes)}`,
    });
    assertEquals(await Deno.readTextFile(join(cacheDir, repository, "refs/main")), commit);
  });
});

Deno.test("a branch that moved brings the new content, and the old one stays", async () => {
  for (const commitless of [false, true]) {
    const options: FakeHubOptions = { files: { "a/big.bin": bytes, same: bytes }, commitless };
    await withHub(options, async (get, hub, cacheDir) => {
      const before = await get();
      await get({ file: "same" });
      options.files = { ...options.files, "a/big.bin": other };
      hub.asked.length = 0;
      assertEquals(await Deno.readFile(await get()), other);
      assertEquals(await Deno.readFile(await get({ file: "same" })), bytes);
      assertEquals(hub.asked.filter(({ method }) => method === "GET").length, 1);
      const blobs = Object.keys(await tree(join(cacheDir, repository, "blobs")));
      assertEquals(blobs.sort(), [gitHash(bytes), gitHash(other)].sort());
      // Without commits, a snapshot is named by its branch.
      const names = [...Deno.readDirSync(join(cacheDir, repository, "snapshots"))];
      assertEquals(names.length, commitless ? 1 : 2);
      assertEquals(await Deno.readFile(before), commitless ? other : bytes);
      options.files = { "a/big.bin": bytes };
      assertEquals(await Deno.readFile(await get()), bytes);
      assertEquals(await Deno.readFile(await get({ offline: true })), bytes);
    });
  }
});

Deno.test("where the hub is silent, down or closed the cache is used, after one attempt", async () => {
  let answer: FakeHubOptions["answer"];
  await withHub({ ...small, answer: (...args) => answer?.(...args) }, async (get, hub) => {
    const path = await get();
    for (const status of [500, 503, 429, 401, 403]) {
      answer = () => new Response("", { status });
      hub.asked.length = 0;
      assertEquals(await get(), path);
      assertEquals(hub.asked.length, 1, `${status}`);
    }
    assertEquals(await get({ endpoint: "http://127.0.0.1:9" }), path);
    // A file that the branch has no more is not there.
    answer = () => new Response("", { status: 404, headers: { "x-error-code": "EntryNotFound" } });
    await assertRejects(() => get(), HubFileMissingError);
    const stop = AbortSignal.abort(new Error("stopped"));
    await assertRejects(() => get({ signal: stop }), Error, "stopped");
  });
});

Deno.test("a hub that accepts a connection and is silent is given up early", async () => {
  const over = Promise.withResolvers<Response>();
  const quiet = { port: 0, hostname: "127.0.0.1", onListen() {} };
  const silent = Deno.serve(quiet, () => over.promise.then(() => new Response()));
  const endpoint = `http://127.0.0.1:${silent.addr.port}`;
  await withHub(small, async (get) => {
    const limits = { attempts: 2, delay: 1, responseTimeout: 50, stallTimeout: 60_000 };
    await assertRejects(
      () => get({ endpoint, limits }),
      Error,
      `could not be downloaded from ${endpoint}: nothing arrived for 0.05 s (2 attempts)`,
    );
    const path = await get();
    assertEquals(await get({ endpoint, limits }), path);
  });
  over.resolve(new Response());
  await silent.shutdown();
});

Deno.test("a small file's content is compared with git's hash", async () => {
  const wrong: FakeHubOptions["answer"] = ({ method }) =>
    method === "GET" ? new Response(other) : undefined;
  await withHub({ ...small, answer: wrong }, async (get, _hub, cacheDir) => {
    const error = await assertRejects(() => get({ limits: { attempts: 2, delay: 1 } }), Error);
    assertStringIncludes(
      error.message,
      `its git hash is ${gitHash(other)}, the hub announced ${gitHash(bytes)} (2 attempts)`,
    );
    assertEquals(await tree(join(cacheDir, repository, "blobs")), {});
  });
  // Also where no length is told before the end.
  const unsized: FakeHubOptions["answer"] = ({ method }) => {
    const headers = { etag: `"${gitHash(bytes)}"` };
    if (method === "HEAD") return new Response(new Blob([]).stream(), { headers });
    return new Response(new Blob([other]).stream(), { headers });
  };
  await withHub({ ...small, answer: unsized }, async (get) => {
    const limits = { attempts: 2, delay: 1 };
    await assertRejects(() => get({ limits }), Error, `its git hash is ${gitHash(other)}`);
  });
});

Deno.test("what another program left half done is continued, if it is the beginning", async () => {
  for (const [options, etag] of [[large, sha256(bytes)], [small, gitHash(bytes)]] as const) {
    for (
      const [left, ranges] of [
        [bytes.slice(0, 5000), ["bytes=5000-"]],
        [other.slice(0, 5000), ["bytes=5000-", null]],
        [bytes, []],
        [other, [null]],
        [new Uint8Array(size + 1), [null]],
      ] as const
    ) {
      await withHub(options, async (get, hub, cacheDir) => {
        const blobs = join(cacheDir, repository, "blobs");
        await Deno.mkdir(blobs, { recursive: true });
        await Deno.writeFile(join(blobs, `${etag}.incomplete`), left);
        assertEquals(await Deno.readFile(await get()), bytes);
        const host = options === large ? "content" : "hub";
        const got = hub.asked.filter((one) => one.method === "GET" && one.host === host);
        assertEquals(got.map(({ range }) => range), [...ranges]);
        assertEquals(await tree(blobs), { [etag]: size });
      });
    }
  }
});

Deno.test("no etag and no commit of a hub lead out of the cache", async () => {
  for (const name of ["../../../x", "a/b", "x.incomplete", "", ".", "a\\b", "x".repeat(300)]) {
    await withHub({
      ...small,
      headers: (headers) => {
        headers.set("etag", `"${name}"`);
        headers.set("x-repo-commit", name);
      },
    }, async (get, _hub, cacheDir) => {
      const path = await get();
      assertEquals(path, join(cacheDir, repository, "snapshots/main/a/big.bin"));
      assertEquals(await Deno.readFile(path), bytes);
      assertEquals(await get(), path);
      const { [`blobs/${sha256(bytes)}`]: length } = await tree(join(cacheDir, repository));
      assertEquals(length, size);
    });
  }
});

Deno.test("where links cannot be made the files themselves are in the snapshots", async () => {
  const options: FakeHubOptions = { files: { "a/big.bin": bytes, same: bytes } };
  await withHub(options, async (_get, hub, cacheDir) => {
    const asked = { repo: "someone/thing", cacheDir, endpoint: hub.endpoint, token: "" };
    const script = `import { downloadHubFile } from "${
      import.meta.resolve("../../lib/language_model/hub_file.ts")
    }";
      for (const file of ["a/big.bin", "a/big.bin", "same"]) {
        await downloadHubFile({ ...${JSON.stringify(asked)}, offline: false, file });
      }`;
    const program = join(cacheDir, "download.ts");
    await Deno.writeTextFile(program, script);
    // With leave for some folders only, Deno makes no links.
    const root = fromFileUrl(new URL("../..", import.meta.url));
    const args = ["run", "--no-prompt", "--no-check", `--config=${join(root, "deno.json")}`];
    const { success, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [
        ...args,
        "--allow-net=127.0.0.1",
        "--allow-env=HF_TOKEN,HF_ENDPOINT,HF_HUB_OFFLINE",
        `--allow-read=${cacheDir},${root}`,
        `--allow-write=${cacheDir}`,
        program,
      ],
    }).output();
    assert(success, new TextDecoder().decode(stderr));
    const snapshot = `snapshots/${commitOf(options.files)}`;
    assertEquals(await tree(join(cacheDir, repository)), {
      "refs/main": 40,
      [`${snapshot}/a/big.bin`]: size,
      [`${snapshot}/same`]: size,
    });
    assertEquals(hub.asked.filter(({ method }) => method === "GET").length, 2);
    const { path } = await downloadHubFile({ ...asked, file: "same", offline: true });
    assertEquals(await Deno.readFile(path), bytes);
  });
});

Deno.test("a lock whose file was deleted meanwhile is taken anew", async () => {
  const cacheDir = await Deno.makeTempDir();
  const folder = join(cacheDir, repository);
  const path = join(cacheDir, ".locks", repository, "one.lock");
  const first = await lockBlob(folder, "one");
  const second = lockBlob(folder, "one");
  await new Promise((resolve) => setTimeout(resolve, 50));
  await Deno.remove(path);
  first.close();
  const held = await second;
  assertEquals((await held.stat()).ino, (await Deno.stat(path)).ino);
  using third = await Deno.open(path, { write: true });
  assertEquals(await third.tryLock(true), false);
  held.close();
  assertEquals(await third.tryLock(true), true);
  const stop = AbortSignal.timeout(10);
  await assertRejects(() => lockBlob(folder, "one", stop), DOMException);
  third.close();
  await Deno.remove(cacheDir, { recursive: true });
});
