import { join } from "node:path";
import { type TensorProto, TensorProto_DataType } from "onnx-buf";
import { openByteWindow } from "./byte_window.ts";
import { isExternal, locationOf } from "./external_data.ts";
import type { OnnxGraph } from "./onnx_graph.ts";

/**
 * Warns where a graph's rotary position embedding has another base (θ of θ^(−2i/d)) than config.json.
 * transformers 5 writes the base into `rope_parameters`; an exporter with transformers 4 reads
 * `rope_theta` only and silently uses 10,000, which makes the model wrong.
 *
 * @param onnx The graph.
 * @param bases The bases in config.json; without any, nothing is compared.
 * @returns The warning; undefined where every base found is one of config.json's.
 */
export function rotaryWarning(onnx: OnnxGraph, bases: readonly number[]): string | undefined {
  if (bases.length === 0) return undefined;
  // From float16 tables the base is known to 2 %; bases in use differ by a factor of 2 or more.
  const near = (a: number, b: number) => Math.abs(Math.log(a / b)) < 0.2;
  const other = graphBases(onnx).find((found) => !bases.some((base) => near(base, found)));
  if (other === undefined) return undefined;
  return `${onnx.path}: the graph rotates positions with base ${Math.round(other)}, config.json ` +
    `says ${bases.join(" and ")}. An exporter with transformers 4 ignores rope_parameters, which ` +
    `transformers 5 writes, and uses 10000: add "rope_theta" to config.json and export again`;
}

/** The bases of the rotary embeddings in a graph, as far as their tables are found. */
function graphBases(onnx: OnnxGraph): number[] {
  const { graph } = onnx;
  const constants = graph.node
    .filter(({ opType }) => opType === "Constant")
    .map(({ output, attribute }) => ({ name: output[0], tensor: attribute[0]?.t }));
  const tables = [
    ...graph.initializer.map((tensor) => ({ name: tensor.name, tensor })),
    ...constants,
  ];
  return tables.flatMap(({ name, tensor }) => {
    const frequencies = tensor && (frequencyTable(tensor) ?? sineTable(name, tensor, onnx));
    const base = frequencies && baseOf(frequencies);
    return base === undefined ? [] : [base];
  });
}

/** A table of the frequencies 1, θ^(−2/d), θ^(−4/d), …: d/2 numbers, or the same twice. */
function frequencyTable(tensor: TensorProto): number[] | undefined {
  const wide = tensor.dims.filter((dim) => dim !== 1n);
  return wide.length === 1 && wide[0] <= 1024n && !isExternal(tensor)
    ? floats(tensor, tensor.rawData)
    : undefined;
}

/** A table of sines, [positions, d/2]: position 1 has the sines of the frequencies, all below π/2. */
function sineTable(name: string, tensor: TensorProto, onnx: OnnxGraph): number[] | undefined {
  if (!/sin/i.test(name) || tensor.dims.length !== 2 || tensor.dims[0] < 2n) return undefined;
  const size = Number(tensor.dims[1]) * (tensor.dataType === TensorProto_DataType.FLOAT16 ? 2 : 4);
  if (size > 4096) return undefined;
  let row = tensor.rawData.subarray(size, 2 * size);
  if (isExternal(tensor)) {
    const offset = Number(tensor.externalData.find(({ key }) => key === "offset")?.value ?? 0);
    using file = openByteWindow(join(onnx.folder, locationOf(tensor, onnx.path)));
    row = file.bytes(offset + size, size);
  }
  return floats(tensor, row)?.map(Math.asin);
}

function floats({ dataType, floatData }: TensorProto, raw: Uint8Array): number[] | undefined {
  // The bytes may not be aligned; a copy is.
  const bytes = raw.slice().buffer;
  if (dataType === TensorProto_DataType.FLOAT && bytes.byteLength % 4 === 0) {
    return floatData.length > 0 ? [...floatData] : [...new Float32Array(bytes)];
  }
  if (dataType === TensorProto_DataType.FLOAT16 && bytes.byteLength % 2 === 0) {
    return [...new Float16Array(bytes)];
  }
}

// Scaled embeddings (Llama 3, YaRN) change low frequencies only: the first four give the base.
function baseOf(values: number[]): number | undefined {
  const again = values.indexOf(values[0], 1);
  const count = again < 0 ? values.length : again;
  if (count < 4 || !(Math.abs(values[0] - 1) < 1e-3)) return undefined;
  const ratio = Math.cbrt(values[3] / values[0]);
  const geometric = [1, 2, 3].every((i) => Math.abs(values[i] / values[i - 1] / ratio - 1) < 2e-3);
  return geometric && ratio < 1 ? ratio ** -count : undefined;
}
