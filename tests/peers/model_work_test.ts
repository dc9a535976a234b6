import { assertEquals } from "@std/assert";
import { operationsPerToken } from "./model_work.ts";

Deno.test("operations per token: each product's weights twice, attention over whole rows, the unembedding", () => {
  const sizes = {
    ...{ hidden_size: 6, num_attention_heads: 3, num_key_value_heads: 1 },
    ...{ intermediate_size: 5, vocab_size: 10 },
  };
  // W_q and W_o [6, 6], W_k and W_v [6, 2], three of [6, 5].
  const products = 2 * (2 * 36 + 2 * 12 + 3 * 30);
  // Of 3 heads, with 4 keys each of width 2: scores, and sums of values.
  const attention = 2 * (3 * 4 * 2 + 3 * 4 * 2);
  const of = (layers: number, losses: boolean) =>
    operationsPerToken(sizes, { layers, length: 4, losses });
  assertEquals(of(1, false), products + attention);
  assertEquals(of(2, false), 2 * (products + attention));
  assertEquals(of(1, true) - of(1, false), 2 * 60 * 3 / 4);
  const wide = operationsPerToken({ ...sizes, head_dim: 4 }, {
    ...{ layers: 1, length: 4, losses: false },
  });
  assertEquals(wide, 2 * (2 * 72 + 2 * 24 + 3 * 30) + 2 * attention);
});
