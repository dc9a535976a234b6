// An OpenAI-compatible endpoint for tests, well behaved or not.

/** A question as it arrives. */
export interface Question {
  key: string | null;
  model: string;
  system: string;
  user: string;
}

/** A server that is open. */
export interface ChatServer extends AsyncDisposable {
  /** What `--endpoint` is given. */
  endpoint: string;
  /** Every question that arrived, in order. */
  asked: Question[];
  /** Prompts of the questions that were answered well, in order. */
  answered: string[];
}

/** Gives an answer, or undefined to answer as {@linkcode goodAnswer} does. */
export type Behaviour = (
  question: Question,
  index: number,
) => Response | undefined | Promise<Response | undefined>;

/** A text as an answer of the protocol. */
export function answerOf(text: string): Response {
  return Response.json({ choices: [{ message: { role: "assistant", content: text } }] });
}

/** A sensible answer: an explanation, a list of as many numbers as there are texts, or a choice. */
export function goodAnswer({ system, user }: Question): string {
  if (/list such as/.test(system)) {
    const count = user.split("\n").filter((line) => /^\d+\. /.test(line)).length;
    return JSON.stringify(Array.from({ length: count }, (_, i) => i % 2));
  }
  if (/number of that description/.test(system)) return "2";
  const words = user.match(/«([^»]*)»/g) ?? [];
  return `words like ${words[0] ?? "none"} ${hash(user)}`;
}

function hash(text: string): number {
  let sum = 0;
  for (const character of text) sum = (sum * 31 + character.codePointAt(0)!) % 99991;
  return sum;
}

/** Serves until it is disposed of. */
export function serveChat(behave: Behaviour = () => undefined): ChatServer {
  const [asked, answered]: [Question[], string[]] = [[], []];
  const server = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen: () => {} },
    async (request) => {
      // Whoever asked may have ended.
      const body = await request.json().catch(() => undefined);
      if (!body) return new Response("", { status: 400 });
      const { model, messages } = body;
      const [system, user] = messages.map(({ content }: { content: string }) => content);
      const question = { key: request.headers.get("authorization"), model, system, user };
      const index = asked.push(question) - 1;
      const own = await behave(question, index);
      if (own) return own;
      answered.push(`${system}\n${user}`);
      return answerOf(goodAnswer(question));
    },
  );
  return {
    ...{ asked, answered, endpoint: `http://127.0.0.1:${server.addr.port}/v1` },
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}
