import { type Device, DeviceLostError } from "../mod.ts";

/**
 * Does work on a GPU. Where its device is lost, another is opened and the work is done again, from
 * the run's last checkpoint. A device that is lost twice without a step in between ends it.
 *
 * @param open Opens the GPU.
 * @param steps Steps of the run's last checkpoint.
 * @param say Tells what happened.
 * @param work The work; it looks for a checkpoint itself.
 */
export async function onLastingGpu<T>(
  { open, steps, say }: {
    open: () => Promise<Device>;
    steps: () => Promise<number>;
    say: (text: string) => void;
  },
  work: (gpu: Device) => Promise<T>,
): Promise<T> {
  for (let before = -1;;) {
    using gpu = await open();
    try {
      return await work(gpu);
    } catch (error) {
      if (!(error instanceof DeviceLostError)) throw error;
      const kept = await steps();
      if (kept <= before) throw error;
      before = kept;
      say(`${error.message}. It is opened again, and the run goes on after step ${kept}`);
    }
  }
}
