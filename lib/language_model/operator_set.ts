import type { ModelProto } from "onnx-buf";

/** Whether a domain of operators is ONNX's own, which has two names. */
export function isOwnDomain(domain: string): boolean {
  return domain === "" || domain === "ai.onnx";
}

/** Version of ONNX's operators that a model is made of; NaN where it names none. */
export function operatorSet({ opsetImport }: ModelProto): number {
  return Number(opsetImport.find(({ domain }) => isOwnDomain(domain))?.version);
}
