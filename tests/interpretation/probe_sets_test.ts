import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { probeSets } from "../../lib/interpretation/probe_sets.ts";
import { createRandom } from "../../lib/random.ts";

Deno.test("sets are balanced, and nothing that is tested is trained on", () => {
  fc.assert(fc.property(
    fc.integer({ min: 0, max: 2 ** 31 }),
    fc.integer({ min: 2, max: 6 }),
    fc.integer({ min: 60, max: 400 }),
    fc.integer({ min: 2, max: 100 }),
    (seed, classes, count, most) => {
      const random = createRandom(seed);
      const labels = Array.from(
        { length: count },
        (_, i) => `c${i < 10 * classes ? i % classes : random.below(classes)}`,
      );
      const usable = (text: number) => text < 10 * classes || text % 7 > 0;
      const sets = probeSets(labels, { train: 2 * most, test: most, seed }, usable);
      assertEquals(
        sets.map(({ label }) => label),
        classes === 2 ? ["c0"] : Array.from({ length: classes }, (_, i) => `c${i}`),
      );
      const trained = new Set(sets.flatMap(({ train }) => [...train]));
      for (const set of sets) {
        assertEquals(new Set(set.train).size, set.train.length);
        assertEquals(new Set(set.test).size, set.test.length);
        assert(set.train.length <= 2 * most && set.test.length <= most);
        for (
          const [texts, positive] of [
            [set.train, set.trainPositive],
            [set.test, set.testPositive],
          ] as const
        ) {
          assertEquals(texts.length, 2 * positive);
          assert(positive > 0);
          texts.forEach((text, i) => {
            assertEquals(labels[text] === set.label, i < positive);
            assert(usable(text));
          });
          // Others in equal parts: none is there two times more often than one that has texts left.
          const others = Map.groupBy(texts.slice(positive), (text) => labels[text]);
          const sizes = [...others.values()].map(({ length }) => length);
          const fewest = Math.min(...sizes);
          for (const [label, own] of others) {
            if (own.length <= fewest + 1) continue;
            const short = [...others].find(([, each]) => each.length === fewest)!;
            assert(short[1].length < own.length, `${label} is there too often`);
          }
        }
        for (const text of set.test) assert(!trained.has(text), `text ${text} is in both`);
      }
      assertEquals(sets, probeSets(labels, { train: 2 * most, test: most, seed }, usable));
    },
  ));
});

Deno.test("texts of one group are all trained on or all tested", () => {
  fc.assert(fc.property(
    fc.integer({ min: 0, max: 2 ** 31 }),
    fc.integer({ min: 12, max: 40 }),
    (seed, documents) => {
      const random = createRandom(seed);
      const labels: string[] = [];
      const groups: string[] = [];
      for (let d = 0; d < documents; d++) {
        // Documents of two or three pieces, of one class or of all.
        for (let piece = 0; piece < 4 + random.below(3); piece++) {
          labels.push(`c${d % 4 === 3 ? piece % 3 : d % 3}`);
          groups.push(`document ${d}`);
        }
      }
      const side = new Map<string, string>();
      for (const { train, test } of probeSets(labels, { groups, seed, testShare: 0.4 })) {
        for (const [texts, name] of [[train, "train"], [test, "test"]] as const) {
          for (const text of texts) {
            assertEquals(side.get(groups[text]) ?? name, name);
            side.set(groups[text], name);
          }
        }
      }
    },
  ));
});

Deno.test("labels that make no sets are refused", () => {
  const ten = (label: string) => new Array<string>(10).fill(label);
  for (
    const [run, message] of [
      [() => probeSets(ten("a")), "the texts have 1 labels (a), expected at least two"],
      [
        () => probeSets([...ten("a"), "b"]),
        'label "b" has 1 texts, expected at least 10: leave it out or give more',
      ],
      [
        () => probeSets([...ten("a"), ...ten("b")], {}, (text) => text > 0),
        'label "a" has 9 usable texts of 10, expected at least 10',
      ],
      [
        // Not sets of the two others alone.
        () => probeSets([...ten("a"), ...ten("b"), ...ten("c")], {}, (text) => text < 20),
        'label "c" has 0 usable texts of 10, expected at least 10',
      ],
      [
        () => probeSets([...ten("a"), ...ten("b")], { testShare: 1 }),
        "testShare is 1, expected a number between 0 and 1",
      ],
      [
        () => probeSets([...ten("a"), ...ten("b")], { test: 1 }),
        "test is 1, expected a whole number from 2",
      ],
      [
        () => probeSets([...ten("a"), ...ten("b")], { groups: ["x"] }),
        "there are 1 groups, expected one for each of 20 texts",
      ],
      [
        () => probeSets([...ten("a"), ...ten("b")], { groups: [...ten("x"), ...ten("y")] }),
        "they are from 1 groups, expected more",
      ],
    ] as const
  ) {
    assertThrows(run, RangeError, message);
  }
});
