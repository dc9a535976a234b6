import { assertEquals } from "@std/assert";
import {
  agreed,
  allOf,
  fact,
  isAbove,
  isBelow,
  notDecided,
  unlessReversed,
} from "../../lib/claims/verdict.ts";

const about = { count: 10, what: "latents" };

Deno.test("an interval decides where it lies on one side of the bound, and comes of ten or more", () => {
  assertEquals(isAbove({ low: 0.6, high: 0.8 }, 0.5, about), { holds: true });
  assertEquals(isAbove({ low: 0.1, high: 0.4 }, 0.5, about), { holds: false });
  assertEquals(isBelow({ low: -2, high: -1 }, 0, about), { holds: true });
  assertEquals(isBelow({ low: 1, high: 2 }, 0, about), { holds: false });
  for (const verdict of [isAbove, isBelow]) {
    assertEquals(verdict({ low: 0.4, high: 0.6 }, 0.5, about), {
      holds: undefined,
      why: "10 latents leave open 0.4 to 0.6 (95 %), the bound is 0.5",
    });
    assertEquals(verdict({ low: 0.5, high: 0.6 }, 0.5, about).holds, undefined);
    assertEquals(verdict({ low: NaN, high: NaN }, 0.5, about).holds, undefined);
    for (const low of [0.1, 0.5, 0.9]) {
      assertEquals(verdict({ low, high: low + 0.1 }, 0.5, { ...about, count: 9 }), {
        holds: undefined,
        why: "9 latents, at least 10 are needed",
      });
    }
    assertEquals(
      verdict({ low: 0, high: 1 }, 0.5, { ...about, count: 0 }).why,
      "no latents, at least 10 are needed",
    );
  }
});

Deno.test("all parts must hold: one that does not says no, one that is open leaves all open", () => {
  const [yes, no, open] = [fact(true), fact(false), notDecided("few")];
  assertEquals(allOf(yes, yes), yes);
  assertEquals(allOf(yes, open, no), no);
  assertEquals(allOf(yes, open), open);
  assertEquals(agreed("so", yes, yes), yes);
  assertEquals(agreed("so", no, open), no);
  assertEquals(agreed("so", yes, open), open);
  assertEquals(agreed("so", yes, no), notDecided("so"));
});

Deno.test("a control reverses a verdict or leaves it", () => {
  const [yes, no, open] = [fact(true), fact(false), notDecided("few")];
  for (
    const [verdict, control, wanted] of [
      ...[[yes, yes, yes], [yes, open, yes], [no, no, no], [open, no, open]],
      ...[[yes, no, notDecided("so")], [no, yes, notDecided("so")]],
    ]
  ) assertEquals(unlessReversed(verdict, control, "so"), wanted);
});
