/** @jsxImportSource preact */
/// <reference lib="dom" />
import type { VNode } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { StepRecord } from "../../training/step_record.ts";
import { drawLine, type FigureData, layAxis } from "../figure_data.ts";
import { readable } from "../readable.ts";
import type { SiteModel } from "../site_manifest.ts";
import { type AskedWorker, startWorker } from "./ask_worker.ts";
import { percent, short } from "./hooks.ts";
import { namedDevice } from "./page_device.ts";
import { Figure } from "./figure.tsx";
import { FormingLatents } from "./forming_latents.tsx";
import {
  BATCH,
  DEFAULTS,
  FIELDS,
  queryOf,
  settingsOf,
  type TrainSettings,
} from "./train_settings.ts";
import type { ShownLatents, ShownText } from "./training.ts";

/** A run as far as it is shown. */
interface Run {
  settings: TrainSettings;
  records: StepRecord[];
  text?: ShownText & { dModel: number; contextLength: number };
  latents?: ShownLatents;
  device?: string;
  error?: string;
  busy: boolean;
  /** Milliseconds since the first step. */
  took: number;
}

/** Trains a small SAE in the page, and shows its loss and its latents meanwhile. */
export function TrainPage(
  { model, query, link }: {
    model: SiteModel;
    query: URLSearchParams;
    /** The address of this page with other settings. */
    link: (query: Record<string, string | number | undefined>) => string;
  },
): VNode {
  const settings = settingsOf(query);
  const [own, setOwn] = useState(!model.texts);
  const [text, setText] = useState("");
  const [run, setRun] = useState<Run>();
  const worker = useRef<AskedWorker>(undefined);
  useEffect(() => () => worker.current?.end(), []);
  const start = async () => {
    worker.current ??= startWorker();
    let now: Run = { settings, records: [], busy: true, took: 0 };
    let began = 0;
    const show = (change: Partial<Run>) => setRun(now = { ...now, ...change });
    show({});
    try {
      await worker.current.ask({
        ...{ call: "train", model, settings, device: namedDevice(query) },
        documents: own ? [text] : undefined,
      }, (kind, value) => {
        if (kind !== "steps") return show({ [kind]: value });
        began ||= performance.now();
        const records = [...now.records, ...value as StepRecord[]];
        show({ records, took: performance.now() - began });
      });
      show({ busy: false });
    } catch (error) {
      show({ busy: false, error: String((error as Error)?.message ?? error) });
    }
  };
  const change = (name: keyof TrainSettings, event: Event) => {
    const value = Number((event.target as HTMLInputElement).value);
    const kept = Object.fromEntries([...query].filter(([key]) => key === "device"));
    location.replace(link({ ...kept, ...queryOf({ ...settings, [name]: value }) }));
  };
  return (
    <>
      <h1 tabIndex={-1}>Train an SAE in this page</h1>
      <Introduction model={model} settings={settings} />
      <form
        class="filters settings"
        onSubmit={(event) => {
          event.preventDefault();
          if (!run?.busy) void start();
        }}
      >
        {(Object.keys(DEFAULTS) as (keyof TrainSettings)[]).map((name) => {
          const { words, least, most } = FIELDS[name];
          return (
            <label key={name}>
              {words}
              <input
                type="number"
                min={least}
                max={most}
                step={1}
                value={settings[name]}
                disabled={run?.busy}
                onChange={(event) => change(name, event)}
              />
            </label>
          );
        })}
        <label>
          Text
          <select
            value={own ? "own" : "site"}
            disabled={run?.busy}
            onChange={(event) => setOwn((event.target as HTMLSelectElement).value === "own")}
          >
            {model.texts && (
              <option value="site">
                {readable(model.texts.name)} ({model.texts.documents} documents)
              </option>
            )}
            <option value="own">your own</option>
          </select>
        </label>
        {own && (
          <label class="block">
            Your text, a page or more: the more, the clearer the latents
            <textarea
              rows={6}
              maxLength={2_000_000}
              value={text}
              disabled={run?.busy}
              onInput={(event) => setText((event.target as HTMLTextAreaElement).value)}
            />
          </label>
        )}
        {/* One button, so that the keyboard's place stays where it is. */}
        <button
          type="submit"
          class="main"
          onClick={(event) => {
            if (!run?.busy) return;
            event.preventDefault();
            worker.current?.stop();
          }}
        >
          {run?.busy ? "Stop" : run ? "Start anew" : "Start"}
        </button>
      </form>
      {run && <RunView run={run} />}
    </>
  );
}

function Introduction({ model, settings }: { model: SiteModel; settings: TrainSettings }): VNode {
  return (
    <p class="about">
      {readable(model.id.split("/").at(-1) ?? model.id)} reads text. At{" "}
      <code>{readable(model.hook)}</code>{" "}
      each token is a vector, whose numbers mean little one by one. A sparse autoencoder (SAE)
      learns {settings.dictSize}{" "}
      directions, its latents, so that each vector is nearly a sum of about {settings.k}{" "}
      of them. Each step takes {BATCH}{" "}
      tokens, rebuilds their vectors, and changes the latents so that the error shrinks. Some
      latents come to stand for a word or a kind of word. Model and training run in this page, and
      nothing leaves it.
    </p>
  );
}

function RunView({ run }: { run: Run }): VNode {
  const { records, settings, text, latents, device, error, busy, took } = run;
  const last = records.at(-1);
  return (
    <>
      <p class="soft" role="status">
        {!device
          ? busy ? "fetching the model and the runtime …" : ""
          : !last
          ? `on ${device}: the model is run on the first tokens …`
          : `${busy ? "step" : "ended after step"} ${last.step} of ${settings.steps}, ${
            short(took / 1000)
          } s, on ${device}`}
      </p>
      {error && <p class="failed" role="alert">{error}</p>}
      {last && (
        <>
          <progress max={settings.steps} value={last.step} aria-label="steps" />
          <dl class="numbers">
            <div>
              <dt>loss</dt>
              <dd>
                {short(last.loss)}
                <small>mean squared error, inputs scaled</small>
              </dd>
            </div>
            <div>
              <dt>NMSE</dt>
              <dd>
                {latents ? percent(latents.nmse) : "–"}
                <small>of the variance is not yet explained</small>
              </dd>
            </div>
            <div>
              <dt>L0</dt>
              <dd>
                {short(last.l0)}
                <small>latents active per token</small>
              </dd>
            </div>
            <div>
              <dt>dead</dt>
              <dd>
                {last.deadLatents}
                <small>of {settings.dictSize} latents, not active for 5 steps</small>
              </dd>
            </div>
          </dl>
          <Figure data={lossFigure(records, settings.steps)} />
        </>
      )}
      {text && latents && <FormingLatents text={text} now={latents} />}
    </>
  );
}

/** The loss of each step; its axis is logarithmic and as long as the run will be. */
export function lossFigure(
  records: Pick<StepRecord, "step" | "loss">[],
  steps: number,
): FigureData {
  const values = records.map(({ step, loss }) => [step, loss] as const);
  const x = layAxis("step", [0, steps]);
  const y = layAxis("loss", values.map(([, loss]) => loss), { log: true });
  const [first, last] = [values[0], values.at(-1)];
  return {
    title: "Loss",
    note: first && last ? `from ${short(first[1])} to ${short(last[1])}` : undefined,
    ...{ x: x.axis, y: y.axis },
    lines: [drawLine(x, y, values.filter(([, loss]) => loss > 0), { label: "loss", colour: 0 })],
  };
}
