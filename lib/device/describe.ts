/** An adapter's name, and whether it is a software adapter, from its driver's description. */
export function describeAdapter(info: GPUAdapterInfo): { name: string; software: boolean } {
  const name =
    [info.description, info.device, info.vendor].find((text) => text && !/^\d+$/.test(text)) ??
      "unnamed adapter";
  const fallback = (info as { isFallbackAdapter?: boolean }).isFallbackAdapter === true;
  return { name, software: fallback || /llvmpipe|lavapipe|swiftshader|basic render/i.test(name) };
}

/** Formats bytes: 1536 → "1.5 KiB". */
export function formatBytes(bytes: number): string {
  if (!Number.isFinite(bytes)) return String(bytes);
  const units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
  const power = Math.min(
    units.length - 1,
    Math.max(0, Math.floor(Math.log2(Math.abs(bytes) || 1) / 10)),
  );
  const value = bytes / 1024 ** power;
  return `${power === 0 ? value : value.toFixed(value < 10 ? 1 : 0)} ${units[power]}`;
}
