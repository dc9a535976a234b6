import { killAndResume } from "./kill_and_resume.ts";

// The series on more devices and with more kills: tests/heavy/kills.ts.
Deno.test("killed at random moments and resumed, a run ends with the same bytes", () =>
  killAndResume("cpu", { kills: 2, dictSize: 128, steps: 20 }));
