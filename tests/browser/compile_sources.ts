// In the page: compiles WGSL and returns the errors.
/** A source that did not compile, with the compiler's message. */
export interface Refused {
  /** Its name. */
  name: string;
  /** The compiler's message. */
  message: string;
}

/**
 * Compiles sources: all that WGSL demands is checked, pipelines, which take SwiftShader long, are not made. Where
 * the adapter has no float16 its kernels are compiled with float32 in its place.
 */
export async function compileSources(
  sources: { name: string; code: string }[],
): Promise<{ adapter: string; refused: Refused[] }> {
  const adapter = (await navigator.gpu.requestAdapter())!;
  const half = adapter.features.has("shader-f16");
  const device = await adapter.requestDevice(half ? { requiredFeatures: ["shader-f16"] } : {});
  const refused: Refused[] = [];
  await Promise.all(sources.map(async ({ name, code }) => {
    const own = half ? code : code.replace(/^enable f16;\n/, "").replaceAll("f16", "f32");
    const module = device.createShaderModule({ code: own });
    const { messages } = await module.getCompilationInfo();
    const errors = messages.filter(({ type }) => type === "error")
      .map(({ lineNum, message }) => `line ${lineNum}: ${message}`);
    if (errors.length > 0) refused.push({ name, message: errors.join("\n") });
  }));
  const { vendor, architecture, description } = adapter.info;
  return { adapter: [vendor, architecture, description].join(" "), refused };
}
