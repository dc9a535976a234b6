// Long series of kills. SAEWING_KILLS makes them longer.
import { killAndResume } from "../cli/kill_and_resume.ts";

const kills = Number(Deno.env.get("SAEWING_KILLS") ?? 4);

for (const device of ["software", "cpu"]) {
  Deno.test(`killed at random moments and resumed, a run ends with the same bytes: ${device}`, () =>
    killAndResume(device, { kills, dictSize: 512, steps: 40 }));
}
