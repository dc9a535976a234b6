import { createRandom, randomOrder } from "../random.ts";
import { checkWhole } from "../whole_number.ts";

/** Options of {@linkcode probeSets}. */
export interface ProbeSetOptions {
  /** Most texts to train the probe of a class on, half of them of the class (default 4000). */
  train?: number;
  /** Most texts to test it on (default 1000). */
  test?: number;
  /** Share of each class's texts that is kept for tests (default 0.2). */
  testShare?: number;
  /** Seed of the split (default 0). */
  seed?: number;
  /**
   * Where each text is from, such as its document: texts of one group are all trained on or all tested. Without it
   * pieces of one document may be on both sides, and a probe may know the document in place of the class.
   */
  groups?: readonly string[];
}

/** Texts of one class and of the others, by number. */
export interface ProbeSet {
  /** Name of the class. */
  label: string;
  /** Texts to train on, those of the class first. */
  train: Uint32Array;
  /** How many of `train` are of the class. */
  trainPositive: number;
  /** Texts to test on, those of the class first. */
  test: Uint32Array;
  /** How many of `test` are of the class. */
  testPositive: number;
}

/** Fewest texts of a class: 8 to train on and 2 to test on. */
const FEWEST = 10;

/**
 * Splits labelled texts as the paper's probes have them (A.9; SAEBench): per class as many texts of the class
 * as of all others together, the others in equal parts as far as there are as many. A text that is tested is
 * trained on for no class. Of two classes one set says all: that of the label which comes first by name.
 *
 * @param labels The class of each text.
 * @param usable Whether a text may be used, [texts] (default: all).
 * @throws {RangeError} There are fewer than two classes, a class has fewer than 10 usable texts, or an option is
 * out of range.
 */
export function probeSets(
  labels: readonly string[],
  options: ProbeSetOptions = {},
  usable: (text: number) => boolean = () => true,
): ProbeSet[] {
  const { train = 4000, test = 1000, testShare = 0.2, seed = 0 } = options;
  if (!(testShare > 0 && testShare < 1)) {
    throw new RangeError(`testShare is ${testShare}, expected a number between 0 and 1`);
  }
  checkWhole(train, "train", 2);
  checkWhole(test, "test", 2);
  const { groups } = options;
  if (groups && groups.length !== labels.length) {
    throw new RangeError(
      `there are ${groups.length} groups, expected one for each of ${labels.length} texts`,
    );
  }
  const classes = split(labels, usable, testShare, seed, groups);
  const chosen = classes.length === 2 ? classes.slice(0, 1) : classes;
  return chosen.map(({ label, ...own }) => {
    const others = classes.filter((each) => each.label !== label);
    const take = (part: "train" | "test", most: number) => {
      const wanted = Math.min(Math.floor(most / 2), own[part].length);
      const spread = roundRobin(others.map((each) => each[part]), wanted);
      return Uint32Array.from([...own[part].slice(0, spread.length), ...spread]);
    };
    const sets = { train: take("train", train), test: take("test", test) };
    return {
      label,
      ...sets,
      trainPositive: sets.train.length / 2,
      testPositive: sets.test.length / 2,
    };
  });
}

interface Class {
  label: string;
  train: number[];
  test: number[];
}

function split(
  labels: readonly string[],
  usable: (text: number) => boolean,
  testShare: number,
  seed: number,
  groups: readonly string[] | undefined,
): Class[] {
  const order = randomOrder(createRandom(seed), labels.length).filter(usable);
  const members = Map.groupBy(order, (text) => labels[text]);
  // A class none of whose texts may be used is not left out in silence.
  for (const label of labels) if (!members.has(label)) members.set(label, []);
  if (members.size < 2) {
    throw new RangeError(
      `the texts have ${members.size} labels (${[...members.keys()].join(", ")}), ` +
        `expected at least two`,
    );
  }
  const tested = groups && testGroups(order, labels, groups, testShare);
  // By name, so that the order does not depend on the split; code units, so not on a locale either.
  return [...members].sort(([a], [b]) => a < b ? -1 : 1).map(([label, texts]) => {
    if (texts.length < FEWEST) {
      const all = labels.filter((each) => each === label).length;
      const count = texts.length < all ? `${texts.length} usable texts of ${all}` : `${all} texts`;
      throw new RangeError(
        `label ${JSON.stringify(label)} has ${count}, expected at least ${FEWEST}: ` +
          `leave it out or give more`,
      );
    }
    if (!tested) {
      const count = Math.min(texts.length - 2, Math.max(2, Math.round(texts.length * testShare)));
      return { label, test: texts.slice(0, count), train: texts.slice(count) };
    }
    const test = texts.filter((text) => tested.has(groups[text]));
    const train = texts.filter((text) => !tested.has(groups[text]));
    if (test.length === 0 || train.length === 0) {
      throw new RangeError(
        `all texts with label ${JSON.stringify(label)} are ${
          test.length === 0 ? "trained on" : "tested"
        }: ` +
          `they are from ${new Set(texts.map((text) => groups[text])).size} groups, expected more`,
      );
    }
    return { label, test, train };
  });
}

/**
 * Groups that are tested, in random order: one is, while the label that most of its texts have lacks tests. What
 * goes to the training comes first, so that a label with two groups has one on either side.
 */
function testGroups(
  order: Uint32Array,
  labels: readonly string[],
  groups: readonly string[],
  testShare: number,
): Set<string> {
  const totals = countBy(order, labels);
  const members = Map.groupBy(order, (text) => groups[text]);
  const seen = new Map<string, { trained: number; tested: number }>();
  const tested = new Set<string>();
  for (const [group, texts] of members) {
    const [label] = [...countBy(texts, labels)].reduce((a, b) => b[1] > a[1] ? b : a);
    const own = seen.get(label) ?? { trained: 0, tested: 0 };
    seen.set(label, own);
    if (own.trained > 0 && own.tested < testShare * totals.get(label)!) {
      tested.add(group);
      own.tested += texts.length;
    } else {
      own.trained += texts.length;
    }
  }
  return tested;
}

function countBy(texts: ArrayLike<number>, labels: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const text of Array.from(texts)) {
    counts.set(labels[text], (counts.get(labels[text]) ?? 0) + 1);
  }
  return counts;
}

/** The first of each list, then the second of each, and so on: `most` of them, or all. */
function roundRobin(lists: readonly (readonly number[])[], most: number): number[] {
  // With thousands of labels, going through all of their texts for each label takes minutes.
  const longest = lists.reduce((most, { length }) => Math.max(most, length), 0);
  const found: number[] = [];
  for (let i = 0; i < longest && found.length < most; i++) {
    for (const list of lists) {
      if (found.length === most) break;
      if (i < list.length) found.push(list[i]);
    }
  }
  return found;
}
