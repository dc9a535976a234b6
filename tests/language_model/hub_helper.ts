import { downloadHubFile, type HubFileOptions } from "../../lib/language_model/hub_file.ts";
import { type FakeHub, type FakeHubOptions, startFakeHub } from "./fake_hub.ts";

export const size = 300_000;
export const bytes = Uint8Array.from({ length: size }, (_, i) => (i * i) >> 5);
export const other = bytes.map((byte) => byte ^ 1);
export const large = { files: { "a/big.bin": bytes }, largeFrom: 1000 };
export const small = { files: { "a/big.bin": bytes } };

/** Downloads the file, with other options where they are given. */
export type Get = (more?: Partial<HubFileOptions>) => Promise<string>;

/** Runs a test with a hub of one file and an empty cache. */
export async function withHub(
  options: FakeHubOptions,
  run: (get: Get, hub: FakeHub, cacheDir: string) => Promise<void>,
): Promise<void> {
  await using hub = startFakeHub(options);
  const cacheDir = await Deno.makeTempDir();
  const get: Get = async (more) => {
    const { path } = await downloadHubFile({
      repo: "someone/thing",
      file: "a/big.bin",
      cacheDir,
      endpoint: hub.endpoint,
      token: "",
      offline: false,
      limits: { delay: 1, stallTimeout: 5000 },
      ...more,
    });
    return path;
  };
  try {
    await run(get, hub, cacheDir);
  } finally {
    await Deno.remove(cacheDir, { recursive: true });
  }
}
