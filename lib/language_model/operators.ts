import type { GraphProto, ModelProto, NodeProto } from "onnx-buf";

/** Whether a domain of operators is ONNX's default domain, which has two names. */
export function isOwnDomain(domain: string): boolean {
  return domain === "" || domain === "ai.onnx";
}

/** Version of a model's ONNX operator set (opset); NaN where it has none. */
export function operatorSet({ opsetImport }: ModelProto): number {
  return Number(opsetImport.find(({ domain }) => isOwnDomain(domain))?.version);
}

/** An operator's name, with its domain if that is not ONNX's default. */
export function operatorName({ domain, opType }: NodeProto): string {
  return isOwnDomain(domain) ? opType : `${domain}.${opType}`;
}

/**
 * Why ONNX Runtime cannot run a graph on the CPU, and what to do; undefined where no operator is known
 * to fail. The runtime's own error comes at the first run, without the reason.
 */
export function refusedOnCpu(graph: GraphProto): string | undefined {
  const otherwise = "take an export of the same model without it (onnx/model.onnx of " +
    "onnx-community is one), or another device";
  for (const { opType, domain, input, name } of graph.node) {
    if (domain !== "com.microsoft") continue;
    // Inputs 14 and 15 are q_norm_weight and k_norm_weight.
    if (opType === "GroupQueryAttention" && (input[14] || input[15])) {
      return `attention with fused norms of queries and keys (${name}) does not run ` +
        `on the CPU: ${otherwise}`;
    }
    if (opType === "PagedAttention") {
      return `attention over a paged cache (PagedAttention ${name}) does not run on the CPU: ` +
        otherwise;
    }
  }
}
