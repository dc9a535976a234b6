// Headless Chromium for tests: a page of our own server, with WebGPU on a software adapter.
import { type Browser, chromium, type Page } from "playwright-core";

// A WebGPU adapter on a machine without a GPU. Tests that run as root cannot have the sandbox.
const FLAGS = [
  ...["--no-sandbox", "--enable-unsafe-webgpu", "--enable-features=Vulkan,WebGPU"],
  ...["--use-webgpu-adapter=swiftshader", "--use-vulkan=swiftshader"],
];

const PLACES = [
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
];

const wanted = Deno.env.get("CHROMIUM");

/** Path of Chromium: the variable CHROMIUM, else a usual place; undefined if there is none. */
export const CHROMIUM: string | undefined = (wanted ? [wanted] : PLACES).find((path) => {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
});

/**
 * A test that runs in a page; without Chromium it is skipped with a message.
 *
 * @param modules Modules to be bundled for the page, by the name under which they are its globals: the
 * exports of `{ train: "./train.ts" }` are `globalThis.train`. Paths are relative to `base`.
 */
export function testInPage(
  name: string,
  base: string,
  modules: Record<string, string>,
  body: (page: Page) => Promise<void>,
): void {
  if (!CHROMIUM) console.log(`left out, there is no Chromium (tests/browser/install.sh): ${name}`);
  // What playwright starts it ends with the browser, though not in the same turn.
  const lenient = { sanitizeOps: false, sanitizeResources: false };
  Deno.test({ name, ignore: !CHROMIUM, ...lenient }, async () => {
    const served = new Map<string, string>();
    for (const [module, path] of Object.entries(modules)) {
      served.set(`/${module}.js`, await bundle(new URL(path, base)));
    }
    const scripts = Object.keys(modules).map((module) =>
      `import * as ${module} from "./${module}.js"; globalThis.${module} = ${module};`
    );
    served.set("/page.js", `${scripts.join("\n")}\nglobalThis.ready = true;`);
    served.set(
      "/",
      `<!doctype html><title>test</title><script type="module" src="/page.js"></script>`,
    );
    await inPage(served, body);
  });
}

/** A test with its own browser; without Chromium it is skipped with a message. */
export function testInBrowser(name: string, body: (browser: Browser) => Promise<void>): void {
  if (!CHROMIUM) console.log(`left out, there is no Chromium (tests/browser/install.sh): ${name}`);
  const lenient = { sanitizeOps: false, sanitizeResources: false };
  Deno.test({ name, ignore: !CHROMIUM, ...lenient }, async () => {
    const browser = await chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
    try {
      await body(browser);
    } finally {
      await browser.close();
    }
  });
}

async function inPage(
  served: Map<string, string>,
  body: (page: Page) => Promise<void>,
): Promise<void> {
  // WebGPU needs a secure context, which 127.0.0.1 is; shared memory needs cross-origin isolation.
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
    const path = new URL(request.url).pathname;
    const text = served.get(path);
    return new Response(text ?? "", {
      status: text === undefined ? 404 : 200,
      headers: {
        "content-type": path.endsWith(".js") ? "text/javascript" : "text/html",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-embedder-policy": "require-corp",
      },
    });
  });
  let browser: Browser | undefined;
  try {
    browser = await chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
    const page = await browser.newPage();
    const problems: string[] = [];
    page.on("pageerror", (error) => problems.push(error.message));
    await page.goto(`http://127.0.0.1:${server.addr.port}/`);
    await page.waitForFunction("globalThis.ready", undefined, { timeout: 60_000 }).catch(
      (error) => {
        throw new Error(`the page's modules do not load: ${problems.join("; ") || error.message}`);
      },
    );
    await body(page);
  } finally {
    await browser?.close();
    await server.shutdown();
  }
}

/** A module and all that it imports as one script for browsers. */
async function bundle(module: URL): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["bundle", "--quiet", "--platform", "browser", module.href],
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}
