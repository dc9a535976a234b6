import { assert, assertEquals, assertRejects } from "@std/assert";
import { keepActivations } from "../../lib/evaluation/keep_activations.ts";

function counted() {
  const model = {
    id: "counted",
    calls: 0,
    activations(tokens: Int32Array, rows: number) {
      if (tokens[0] === 9) return Promise.reject(new Error("nine"));
      const data = Float32Array.from(tokens, (token) => token + 0.1 * ++model.calls);
      return Promise.resolve({ data, rows: tokens.length, cols: 1, ofRows: rows });
    },
  };
  return model;
}

Deno.test("activations are computed once per rows of tokens, and given as copies", async () => {
  const model = counted();
  const kept = keepActivations(model);
  assertEquals(kept.id, "counted");
  const [a, b] = [Int32Array.of(1, 2, 3, 4), Int32Array.of(1, 2, 34)];
  const [first, again] = await Promise.all([kept.activations(a, 2), kept.activations(a, 2)]);
  assertEquals(first.data, again.data);
  assert(first.data !== again.data);
  // A model takes arrays away.
  structuredClone(first.data, { transfer: [first.data.buffer] });
  assertEquals((await kept.activations(a, 2)).data, again.data);
  assertEquals(model.calls, 4);
  await kept.activations(a, 4);
  await kept.activations(b, 1);
  assertEquals(model.calls, 4 + 4 + 3);
});

Deno.test("activations beyond the memory that they may take are computed each time; errors are not kept", async () => {
  const model = counted();
  const kept = keepActivations(model, 16);
  const ask = async (...tokens: number[]) => {
    const before = model.calls;
    await kept.activations(Int32Array.from(tokens), 1);
    return model.calls > before;
  };
  assertEquals(await ask(1, 2, 3), true);
  assertEquals(await ask(1, 2, 3), false);
  assertEquals(await ask(4, 5), true);
  assertEquals(await ask(4, 5), true);
  assertEquals(await ask(6), true);
  assertEquals(await ask(6), false);
  for (let i = 0; i < 2; i++) {
    await assertRejects(() => kept.activations(Int32Array.of(9), 1), Error, "nine");
  }
});
