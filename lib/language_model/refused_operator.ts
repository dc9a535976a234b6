import type { GraphProto } from "onnx-buf";

/**
 * Why ONNX Runtime cannot run a graph on the CPU, and what to do; undefined where nothing in it is
 * known to be refused. The runtime's own error comes at the first run only, without the reason.
 */
export function refusedOnCpu(graph: GraphProto): string | undefined {
  const otherwise = "take an export of the same model without it (onnx/model.onnx of " +
    "onnx-community is one), or another device";
  for (const { opType, domain, input, name } of graph.node) {
    if (domain !== "com.microsoft") continue;
    // Inputs 14 and 15 are q_norm_weight and k_norm_weight.
    if (opType === "GroupQueryAttention" && (input[14] || input[15])) {
      return `attention with the norms of queries and keys fused into it (${name}) does not run ` +
        `on the CPU: ${otherwise}`;
    }
    if (opType === "PagedAttention") {
      return `attention over a paged cache (PagedAttention ${name}) does not run on the CPU: ` +
        otherwise;
    }
  }
}
