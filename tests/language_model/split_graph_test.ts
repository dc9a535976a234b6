import { assert, assertEquals, assertThrows } from "@std/assert";
import { fromBinary } from "@bufbuild/protobuf";
import { type ModelProto, ModelProtoSchema } from "onnx-buf";
import { readOnnxGraph } from "../../lib/language_model/onnx_graph.ts";
import { findResidualStream } from "../../lib/language_model/residual_stream.ts";
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
  const prefix = prefixModel(model, hook);
  assertEquals(prefix.graph!.output.map((output) => output.name), [hook]);
  assertEquals(names(prefix).filter((name) => /\bh\.[23]\b|ln_f/.test(name)), []);
  assert(names(prefix).some((name) => /\bh\.1\b/.test(name)));
  const suffix = suffixModel(model, hook, { dModel: 128, streamType: "float32" });
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
    const stream = findResidualStream(graph, 3);
    assertEquals(stream.length, 7, name);
    assertEquals(stream[1], { tensor: middle, hooks: ["blocks.0.hook_resid_mid"] });
    assertEquals(stream[6].hooks, ["blocks.2.hook_resid_post"]);
  }
  const { graph } = readOnnxGraph(`${loadFixture("neox").folder}/onnx/model.onnx`);
  const stream = findResidualStream(graph, 3);
  assertEquals(stream.map(({ hooks }) => hooks[0]), [
    "blocks.0.hook_resid_pre",
    "blocks.1.hook_resid_pre",
    "blocks.2.hook_resid_pre",
    "blocks.2.hook_resid_post",
  ]);
  // A layer count that does not fit leaves the tensors without names.
  assertEquals(findResidualStream(graph, 4).flatMap(({ hooks }) => hooks), []);
  assertThrows(
    () => findResidualStream(graph, 3, "no_such_output"),
    Error,
    "no residual additions lead to no_such_output",
  );
});
