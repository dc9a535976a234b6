import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  AttributeProto_AttributeType,
  AttributeProtoSchema,
  GraphProtoSchema,
  ModelProtoSchema,
  type NodeProto,
  NodeProtoSchema,
  TensorProto_DataType,
} from "onnx-buf";
import { inspectModel } from "../../lib/language_model/inspect_model.ts";
import { openLanguageModel } from "../../lib/language_model/open_language_model.ts";
import { withPlainOperators } from "../../lib/language_model/plain_operators.ts";
import { tensorInfo } from "../../lib/language_model/split_graph.ts";
import { loadFixture, maxDifference } from "./fixtures.ts";

const hook = "blocks.2.hook_resid_post";
const fixture = loadFixture("llama");
const source = Deno.readFileSync(join(fixture.folder, "onnx/builder.onnx"));

// The model builder's fixture with its attention changed.
async function withAttention<T>(
  change: (attention: NodeProto) => void,
  run: (folder: string) => Promise<T>,
): Promise<T> {
  const folder = await Deno.makeTempDir();
  try {
    const model = fromBinary(ModelProtoSchema, source);
    for (const node of model.graph!.node) {
      if (node.opType === "GroupQueryAttention") change(node);
    }
    await Deno.writeFile(join(folder, "model.onnx"), toBinary(ModelProtoSchema, model));
    for (const name of ["config.json", "onnx/model.onnx.data"]) {
      await Deno.copyFile(join(fixture.folder, name), join(folder, name.replace("onnx/", "")));
    }
    return await run(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function set({ attribute }: NodeProto, name: string, value: bigint): void {
  const found = attribute.find((one) => one.name === name);
  const type = AttributeProto_AttributeType.INT;
  if (found) found.i = value;
  else attribute.push(create(AttributeProtoSchema, { name, type, i: value }));
}

Deno.test("a window over a cache of its own size is the window alone", async () => {
  const run = async (folder: string) => {
    await using model = await openLanguageModel(folder, { hook, threads: 1 });
    return (await model.activations(fixture.tokens, fixture.rows)).data;
  };
  const windowed = await withAttention((node) => set(node, "local_window_size", 4n), run);
  const cached = await withAttention((node) => {
    set(node, "local_window_size", 4n);
    set(node, "sliding_window_cache", 1n);
  }, run);
  assertEquals(cached, windowed);
  // Rows are of 9 tokens: the window hides some.
  assert(maxDifference(windowed, fixture.values.post2) > 1e-3);
});

Deno.test("fused attention does without its cache, not without another layer's keys", () => {
  const attention = (opType: string, domain: string, past: number) =>
    create(NodeProtoSchema, {
      opType,
      domain,
      input: Array.from({ length: 9 }, (_, i) => i === past ? "k" : i === past + 1 ? "v" : "x"),
    });
  const node = [
    attention("GroupQueryAttention", "com.microsoft", 3),
    attention("MultiHeadAttention", "com.microsoft", 6),
    attention("Attention", "", 4),
    // Another operator of the same name.
    attention("Attention", "com.microsoft", 4),
  ];
  const inputsOf = (names: string[]) => {
    const input = names.map((name) => tensorInfo(name, TensorProto_DataType.FLOAT, []));
    const plain = withPlainOperators(create(GraphProtoSchema, { node, input }));
    return plain.node.map(({ input }) => input.map((name) => name || "-").join(""));
  };
  assertEquals(inputsOf(["k", "v"]), ["xxx--xxxx", "xxxxxx--x", "xxxx--xxx", "xxxxkvxxx"]);
  assertEquals(inputsOf([]), node.map(({ input }) => input.join("")));
});

Deno.test("what does not run on the CPU is refused at opening, with the reason", async () => {
  const fused = (node: NodeProto) => {
    while (node.input.length < 14) node.input.push("");
    // Which weights they are does not matter: the graph is not run.
    node.input.push(node.input[0], node.input[0]);
  };
  const paged = (node: NodeProto) => node.opType = "PagedAttention";
  for (
    const [change, text] of [
      [fused, "attention with fused norms of queries and keys ("],
      [paged, "attention over a paged cache (PagedAttention "],
    ] as const
  ) {
    await withAttention(change, async (folder) => {
      const open = () => openLanguageModel(folder, { hook });
      const { message } = await assertRejects(open, Error, `model.onnx: ${text}`);
      assertStringIncludes(message, "does not run on the CPU: take an export of the same model");
      const { note, hooks } = await inspectModel(folder);
      assertStringIncludes(note!, text);
      assertEquals(hooks.length, 35);
    });
  }
});
