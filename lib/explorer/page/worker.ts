/// <reference lib="webworker" />
// The page's worker: runs the model, encodes and trains, so that the page never waits for them.
import { openDevice } from "../../device/open_device.ts";
import type { OwnText, SiteModel } from "../site_manifest.ts";
import { openOwn, type OwnEncoder } from "./own.ts";
import { type PageDevice, pageDevice } from "./page_device.ts";
import { getFile, type OpenedModel, openPageModel } from "./page_model.ts";
import type { TrainSettings } from "./train_settings.ts";
import { trainAndShow } from "./training.ts";

/** What the worker is asked. One worker serves one model. */
export type WorkerRequest =
  & { id: number; base: string; model: SiteModel; device: PageDevice }
  & (
    | { call: "encode"; own: OwnText; text: string }
    | { call: "train"; settings: TrainSettings; documents?: string[] }
  );

/** What it answers: events, and in the end a value or an error. "stop" ends a training after its step. */
export interface WorkerAnswer {
  /** Number of the request. */
  id: number;
  /** Something that happened meanwhile. */
  event?: { kind: string; value: unknown };
  /** The end. */
  value?: unknown;
  /** Why it failed. */
  error?: string;
}

let model: Promise<OpenedModel> | undefined;
let encoder: Promise<OwnEncoder> | undefined;
let running: AbortController | undefined;

function openedModel({ model: site, base }: WorkerRequest): Promise<OpenedModel> {
  model ??= openPageModel(site, base);
  // What failed is tried again.
  model.catch(() => model = undefined);
  return model;
}

async function answer(
  request: WorkerRequest,
  tell: (kind: string, value: unknown) => void,
): Promise<unknown> {
  const opened = await openedModel(request);
  const { base, device: kind } = request;
  if (request.call === "encode") {
    encoder ??= openOwn(opened, request.own, base, kind);
    encoder.catch(() => encoder = undefined);
    return await (await encoder).run(request.text);
  }
  running?.abort();
  const { signal } = running = new AbortController();
  const documents = request.documents ??
    await (await getFile(`${request.model.path}texts.json`, base)).json() as string[];
  using device = await openDevice(pageDevice(kind));
  tell("device", device.name);
  await trainAndShow(device, opened, documents, request.settings, {
    onText: (text, about) => tell("text", { ...text, ...about }),
    onSteps: (records) => tell("steps", records),
    onLatents: (latents) => tell("latents", latents),
  }, signal);
  return null;
}

addEventListener("message", async ({ data }: MessageEvent<WorkerRequest | "stop">) => {
  if (data === "stop") {
    running?.abort();
    return;
  }
  const { id } = data;
  const send = (message: Omit<WorkerAnswer, "id">) => postMessage({ id, ...message });
  try {
    send({ value: await answer(data, (kind, value) => send({ event: { kind, value } })) });
  } catch (error) {
    send({ error: String((error as Error)?.message ?? error) });
  }
});
