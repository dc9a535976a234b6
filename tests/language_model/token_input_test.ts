import { assert, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { type ModelProto, ModelProtoSchema, TensorProto_DataType } from "onnx-buf";
import { inspectModel } from "../../lib/language_model/inspect_model.ts";
import { openLanguageModel } from "../../lib/language_model/open_language_model.ts";
import { tensorInfo } from "../../lib/language_model/split_graph.ts";
import { loadFixture, lossOfLogits, maxDifference } from "./fixtures.ts";

const hook = "blocks.1.hook_resid_pre";
const fixture = loadFixture("gpt2");
const source = Deno.readFileSync(join(fixture.folder, "onnx/model.onnx"));

// The fixture with its token input changed.
async function withModel(
  change: (model: ModelProto) => void,
  run: (folder: string) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    const model = fromBinary(ModelProtoSchema, source);
    change(model);
    await Deno.writeFile(join(folder, "model.onnx"), toBinary(ModelProtoSchema, model));
    await Deno.copyFile(join(fixture.folder, "config.json"), join(folder, "config.json"));
    await run(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function rename({ graph }: ModelProto, name: string): void {
  graph!.input.find((input) => input.name === "input_ids")!.name = name;
  for (const { input } of graph!.node) {
    input.forEach((one, i) => one === "input_ids" && (input[i] = name));
  }
}

for (const name of ["input", "input.1", "tokens", "onnx::Gather_0"]) {
  Deno.test(`token ids that are called ${name} are fed`, async () => {
    await withModel((model) => rename(model, name), async (folder) => {
      const { tokens, rows, values } = fixture;
      await using model = await openLanguageModel(folder, { hook, threads: 1 });
      const { data } = await model.activations(tokens, rows);
      assert(maxDifference(data, values.pre1) < 1e-5);
      assert(maxDifference(await model.crossEntropy(tokens, rows), lossOfLogits(fixture)) < 1e-5);
    });
  });
}

Deno.test("a graph without token ids, or with two inputs that could be them, is refused", async () => {
  const { FLOAT, INT64 } = TensorProto_DataType;
  const cases: [(model: ModelProto) => void, string][] = [
    [
      (model) => {
        rename(model, "inputs_embeds");
        const input = model.graph!.input.find((one) => one.name === "inputs_embeds")!;
        Object.assign(input, tensorInfo("inputs_embeds", FLOAT, ["rows", "positions", 64]));
      },
      "the graph takes embeddings (inputs_embeds), expected a decoder that takes token ids",
    ],
    [
      (model) => {
        rename(model, "a");
        model.graph!.input.push(tensorInfo("b", INT64, ["rows", "positions"]));
      },
      "the graph has no input named input_ids, and 2 of its inputs (a, ",
    ],
    [
      (model) => {
        rename(model, "a");
        const input = model.graph!.input.find((one) => one.name === "a")!;
        Object.assign(input, tensorInfo("a", FLOAT, ["rows", "positions"]));
      },
      "and 0 of its inputs (a, ",
    ],
  ];
  for (const [change, text] of cases) {
    await withModel(change, async (folder) => {
      await assertRejects(() => openLanguageModel(folder, { hook }), Error, text);
      await assertRejects(() => inspectModel(folder), Error, `${join(folder, "model.onnx")}: `);
    });
  }
});
