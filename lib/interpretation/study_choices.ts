import type { Decomposition } from "../meta/decompose.ts";
import type { MetaExplanation } from "./explain_meta_latents.ts";
import {
  type ChoiceOptions,
  choiceQuestions,
  type ChoiceScore,
  type Chooser,
  scoreChoices,
} from "./multiple_choice.ts";

/** A multiple-choice test as in the paper, or one of its controls. */
export interface ChoiceTest extends ChoiceScore {
  /**
   * "none": as in the paper; "permuted": meta-latents have each other's explanations; "without own": those that were
   * explained from the latent itself are left out.
   */
  control: "none" | "permuted" | "without own";
  /** 1 / options. */
  chance: number;
}

/**
 * The multiple-choice test (§5.1) and its two controls.
 *
 * @param explanations What latents stand for, by number.
 * @param choose Who answers.
 * @throws {RangeError} There are fewer different explanations than options.
 */
export async function studyChoices(
  decomposition: Decomposition,
  explanations: ReadonlyMap<number, string>,
  metaExplanations: readonly MetaExplanation[],
  choose: Chooser,
  { options = 5, ...more }: Omit<ChoiceOptions, "permuted" | "madeFrom"> = {},
): Promise<ChoiceTest[]> {
  const texts = new Map(metaExplanations.map(({ metaLatent, text }) => [metaLatent, text]));
  const madeFrom = new Map(
    metaExplanations.map(({ metaLatent, latents }) => [metaLatent, latents]),
  );
  const controls = [
    { control: "none" },
    { control: "permuted", permuted: true },
    { control: "without own", madeFrom },
  ] as const;
  const tests: ChoiceTest[] = [];
  for (const { control, ...changes } of controls) {
    const asked = choiceQuestions(decomposition, explanations, texts, {
      ...{ ...more, options, ...changes },
    });
    tests.push({ control, ...await scoreChoices(asked, choose), chance: 1 / options });
  }
  return tests;
}
