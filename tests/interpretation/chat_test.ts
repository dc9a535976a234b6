import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { join } from "@std/path";
import { openAnswerFile } from "../../lib/formats/answer_file.ts";
import { ChatError, openChat } from "../../lib/interpretation/chat.ts";

const KEY = "sk-secret-17";
const good = (text: string) =>
  Response.json({ choices: [{ message: { role: "assistant", content: text } }] });

interface Served extends AsyncDisposable {
  endpoint: string;
  requests: { path: string; key: string | null; body: Record<string, unknown> }[];
  most: number;
}

/** A server that answers the i-th request by the i-th answer, and then by the last one. */
function serve(...answers: ((index: number) => Response | Promise<Response>)[]): Served {
  const requests: Served["requests"] = [];
  let open = 0;
  const served = {
    ...{ endpoint: "", requests, most: 0 },
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
  const server = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen: () => {} },
    async (request) => {
      served.most = Math.max(served.most, ++open);
      const index = requests.length;
      requests.push({
        path: new URL(request.url).pathname,
        key: request.headers.get("authorization"),
        body: await request.json(),
      });
      try {
        return await answers[Math.min(index, answers.length - 1)](index);
      } finally {
        open--;
      }
    },
  );
  served.endpoint = `http://127.0.0.1:${server.addr.port}/v1/`;
  return served;
}

const ask = (content: string) => [{ role: "user" as const, content }];

Deno.test("a question and its settings are sent as the protocol has them", async () => {
  await using server = serve(() => good("cats"));
  const chat = openChat({
    ...{ endpoint: server.endpoint, model: "m", key: KEY },
    ...{ temperature: 0.5, maxTokens: 10 },
  });
  assertEquals(await chat.ask(ask("what?")), "cats");
  assertEquals(server.requests, [{
    path: "/v1/chat/completions",
    key: `Bearer ${KEY}`,
    body: {
      model: "m",
      messages: [{ role: "user", content: "what?" }],
      temperature: 0.5,
      max_tokens: 10,
    },
  }]);
  assertEquals(chat.calls(), 1);
});

Deno.test("answers that may be better next time are asked for again", async (t) => {
  const bad: Record<string, (index: number) => Response | Promise<Response>> = {
    "status 429": () => new Response("slow down", { status: 429, headers: { "retry-after": "0" } }),
    "status 500": () => new Response("oh", { status: 500 }),
    "status 503 with a date": () =>
      new Response("", { status: 503, headers: { "retry-after": new Date().toUTCString() } }),
    "HTML": () => new Response("<!doctype html><script>alert(1)</script>"),
    "JSON without choices": () => Response.json({ choices: [] }),
    "JSON of something else": () => Response.json([1, null]),
    "an empty text": () => good("  "),
    "a text that is none": () => Response.json({ choices: [{ message: { content: 7 } }] }),
    "an answer that takes too long": async () => {
      await new Promise((resolve) => setTimeout(resolve, 300));
      return good("late");
    },
  };
  for (const [name, answer] of Object.entries(bad)) {
    await t.step(name, async () => {
      const options = { model: "m", backoff: 1, timeout: 150, key: KEY };
      {
        await using server = serve(answer, answer, () => good("well"));
        const chat = openChat({ endpoint: server.endpoint, ...options });
        assertEquals(await chat.ask(ask("what?")), "well");
        assertEquals(chat.calls(), 3);
      }
      await using server = serve(answer);
      const chat = openChat({ endpoint: server.endpoint, ...options, retries: 1 });
      const error = await assertRejects(() => chat.ask(ask("what?")), ChatError);
      assert(error.message.endsWith("(2 attempts)"), error.message);
      assert(error.message.startsWith("127.0.0.1:"), error.message);
      assertEquals(server.requests.length, 2);
    });
  }
});

Deno.test("answers that will not get better end in an error at once, without the key", async () => {
  for (
    const [answer, message] of [
      [
        () => new Response(`no such key: ${KEY}\n`, { status: 401 }),
        "status 401: no such key: ***",
      ],
      [() => new Response("x".repeat(2 ** 21)), "an answer of more than 1048576 bytes"],
      [() => new Response("", { status: 404 }), "status 404"],
    ] as const
  ) {
    await using server = serve(answer);
    const chat = openChat({ endpoint: server.endpoint, model: "m", key: KEY });
    const error = await assertRejects(() => chat.ask(ask("what?")), ChatError, message);
    assert(!error.message.includes(KEY));
    assertEquals(server.requests.length, 1);
  }
  await using elsewhere = serve(() => good("stolen"));
  await using server = serve(() => Response.redirect(elsewhere.endpoint, 307));
  const chat = openChat({ endpoint: server.endpoint, model: "m", key: KEY, retries: 0 });
  await assertRejects(() => chat.ask(ask("what?")), ChatError);
  assertEquals(elsewhere.requests, []);
  assertThrows(
    () => openChat({ endpoint: "file:///etc", model: "m" }),
    TypeError,
    "the endpoint is file:///etc, expected an http or https address",
  );
});

Deno.test("an answer that breaks off is asked for again", async () => {
  using listener = Deno.listen({ port: 0, hostname: "127.0.0.1" });
  const whole = JSON.stringify({ choices: [{ message: { content: "well" } }] });
  let connections = 0;
  const serving = (async () => {
    for await (const connection of listener) {
      connections++;
      await connection.read(new Uint8Array(4096));
      const text = connections === 1 ? whole.slice(0, 20) : whole;
      const head =
        `HTTP/1.1 200 OK\r\ncontent-length: ${whole.length}\r\nconnection: close\r\n\r\n`;
      await connection.write(new TextEncoder().encode(head + text));
      connection.close();
      if (connections === 2) return;
    }
  })();
  const endpoint = `http://127.0.0.1:${listener.addr.port}/v1`;
  const chat = openChat({ endpoint, model: "m", backoff: 1 });
  assertEquals(await chat.ask(ask("what?")), "well");
  await serving;
  assertEquals(connections, 2);
});

Deno.test("no more questions are open than wanted, and equal ones are asked once", async () => {
  const slow = async (index: number) => {
    await new Promise((resolve) => setTimeout(resolve, 10));
    return good(`answer ${index}`);
  };
  await using server = serve(slow);
  const chat = openChat({ endpoint: server.endpoint, model: "m", concurrency: 3 });
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, i) => chat.ask(ask(`question ${i % 10}`))),
  );
  assertEquals(server.requests.length, 10);
  assertEquals(server.most, 3);
  for (let i = 0; i < 10; i++) assertEquals(answers[i], answers[i + 10]);
});

Deno.test("a signal ends questions that are open, waiting or asked for again", async () => {
  await using server = serve(() => new Response("", { status: 500 }));
  const controller = new AbortController();
  const chat = openChat({
    ...{ endpoint: server.endpoint, model: "m", concurrency: 1, backoff: 60_000 },
    signal: controller.signal,
  });
  const both = [chat.ask(ask("one")), chat.ask(ask("two"))].map((each) =>
    assertRejects(() => each, Error, "enough")
  );
  await new Promise((resolve) => setTimeout(resolve, 50));
  controller.abort(new Error("enough"));
  await Promise.all(both);
  assertEquals(server.requests.length, 1);
});

Deno.test("what was answered is never asked again, also after a kill", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const path = join(folder, "answers.jsonl");
    await using server = serve((index) => good(`answer ${index} é\n`));
    const options = { endpoint: server.endpoint, model: "m", concurrency: 1 };
    {
      using cache = openAnswerFile(path);
      const chat = openChat({ ...options, cache });
      for (const question of ["a", "b"]) await chat.ask(ask(question));
    }
    // A process that is killed in the middle of a line.
    await Deno.writeTextFile(path, '{"key": "abc", "ans', { append: true });
    {
      using cache = openAnswerFile(path);
      assertEquals(cache.size(), 2);
      const chat = openChat({ ...options, cache });
      assertEquals([await chat.knows(ask("a")), await chat.knows(ask("c"))], [true, false]);
      assertEquals(await chat.ask(ask("b")), "answer 1 é\n");
      assertEquals(chat.calls(), 0);
      assertEquals(await chat.ask(ask("c")), "answer 2 é\n");
      // Another temperature is another question.
      await openChat({ ...options, cache, temperature: 1 }).ask(ask("b"));
    }
    assertEquals(server.requests.length, 4);
    using cache = openAnswerFile(path);
    assertEquals(cache.size(), 4);
    const text = await Deno.readTextFile(path);
    assertEquals(text.split("\n").length, 5);
    await Deno.writeTextFile(path, '{"key": 1}\n' + text);
    assertThrows(
      () => openAnswerFile(path),
      Error,
      `line 1 of ${path} is no answer, expected {"key": "…", "answer": "…"}`,
    );
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
