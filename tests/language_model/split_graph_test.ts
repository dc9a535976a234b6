import { assert, assertEquals, assertThrows } from "@std/assert";
import { fromBinary } from "@bufbuild/protobuf";
import { type ModelProto, ModelProtoSchema } from "onnx-buf";
import { readOnnxGraph } from "../../lib/language_model/onnx_graph.ts";
import { findHooks } from "../../lib/language_model/find_hooks.ts";
import {
  hookInput,
  modelBytes,
  prefixModel,
  suffixModel,
} from "../../lib/language_model/split_graph.ts";
import { loadFixture, tinyGpt2 } from "./fixtures.ts";

const hook = "/transformer/h.1/Add_1_output_0";

function names(model: ModelProto): string[] {
  const { node, initializer } = model.graph!;
  return [...node.flatMap((one) => one.output), ...initializer.map((tensor) => tensor.name)];
}

Deno.test("the structure of a file is read without its weights", () => {
  const { model, graph } = readOnnxGraph(`${tinyGpt2}/onnx/model.onnx`);
  const bytes = Deno.readFileSync(`${tinyGpt2}/onnx/model.onnx`);
  // 7.5 MB of file, 0.2 MB of structure.
  assert(modelBytes(model).length < 250_000);
  const whole = fromBinary(ModelProtoSchema, bytes).graph!;
  assertEquals(graph.node, whole.node);
  graph.initializer.forEach((tensor, i) => {
    const { name, dims, dataType, rawData } = whole.initializer[i];
    assertEquals([tensor.name, tensor.dims, tensor.dataType], [name, dims, dataType]);
    const entry = Object.fromEntries(tensor.externalData.map(({ key, value }) => [key, value]));
    const at = Number(entry.offset);
    const data = rawData.length <= 1024
      ? tensor.rawData
      : bytes.subarray(at, at + Number(entry.length));
    assertEquals(data, rawData, name);
  });
});

Deno.test("a prefix has no later layer, a suffix no earlier one", () => {
  const { model } = readOnnxGraph(`${tinyGpt2}/onnx/model.onnx`);
  const prefix = prefixModel(model, [hook]);
  assertEquals(prefix.graph!.output.map((output) => output.name), [hook]);
  assertEquals(names(prefix).filter((name) => /\bh\.[23]\b|ln_f/.test(name)), []);
  assert(names(prefix).some((name) => /\bh\.1\b/.test(name)));
  const suffix = suffixModel(
    model,
    [{ tensor: hook, width: 128, input: hookInput, type: "float32" }],
    "logits",
  );
  assertEquals(suffix.graph!.output.map((output) => output.name), ["logits"]);
  assert(suffix.graph!.input.some((input) => input.name === hookInput));
  // The hook's own name is left, as the cast of the input.
  assertEquals(names(suffix).filter((name) => /\bh\.[01]\b/.test(name)), [hook]);
  // Splitting leaves the model itself as it was.
  assertEquals(model.graph!.output.map((output) => output.name), ["logits"]);
});

Deno.test("the residual stream is found in every export", () => {
  const streams: Record<string, string> = {
    gpt2: "/transformer/h.0/Add_output_0",
    gemma2: "/model/layers.0/Add_output_0",
    llama: "add_347",
  };
  for (const [name, middle] of Object.entries(streams)) {
    const { graph } = readOnnxGraph(`${loadFixture(name).folder}/onnx/model.onnx`);
    const { points } = findHooks(graph, 3);
    assertEquals(points.length, 13, name);
    assertEquals(points[2], { tensor: middle, hooks: ["blocks.0.hook_resid_mid"] });
    assertEquals(points[12].hooks, ["blocks.2.hook_resid_post"]);
  }
  const { graph } = readOnnxGraph(`${loadFixture("neox").folder}/onnx/model.onnx`);
  const { points } = findHooks(graph, 3);
  assertEquals(points.map(({ hooks }) => hooks[0]), [
    ...[0, 1, 2].flatMap((layer) =>
      ["resid_pre", "attn_out", "mlp_out"].map((place) => `blocks.${layer}.hook_${place}`)
    ),
    "blocks.2.hook_resid_post",
  ]);
  // A layer count that does not fit leaves the tensors without names, and no branches.
  const unnamed = findHooks(graph, 4).points;
  assertEquals([unnamed.length, unnamed.flatMap(({ hooks }) => hooks)], [4, []]);
  graph.output[0].name = "last_hidden_state";
  assertThrows(
    () => findHooks(graph, 3),
    Error,
    "the graph has no output of logits (its outputs are last_hidden_state",
  );
});
