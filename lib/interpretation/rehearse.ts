import type { Chat, ChatMessage } from "./chat.ts";

/** What questions would cost. */
export interface QuestionPlan {
  /** Questions, those that are known already among them. */
  questions: number;
  /** Questions whose answer is known: they cost nothing. */
  known: number;
  /** Tokens of the others' prompts, estimated: 4 bytes of text each, and 4 per message. */
  promptTokens: number;
  /** Tokens of their answers at most. */
  answerTokens: number;
}

/** A chat that asks nothing. */
export interface Rehearsal extends Chat {
  /** What was asked so far. */
  plan(): QuestionPlan;
}

/**
 * A chat in which nothing is asked: known answers are given, others are made up, and what they would cost is
 * counted. A procedure that runs with it first says what it will cost. Explanations that are made up have some 60
 * characters, so that questions about them have about the right length.
 *
 * @param maxTokens Tokens of an answer at most, as the chat itself has them (default 200).
 */
export function rehearse(chat: Chat, { maxTokens = 200 }: { maxTokens?: number } = {}): Rehearsal {
  const plan: QuestionPlan = { questions: 0, known: 0, promptTokens: 0, answerTokens: 0 };
  const encoder = new TextEncoder();
  const tokens = ({ content }: ChatMessage) => Math.ceil(encoder.encode(content).length / 4) + 4;
  return {
    plan: () => ({ ...plan }),
    knows: (messages) => chat.knows(messages),
    calls: () => 0,
    async ask(messages) {
      const number = ++plan.questions;
      if (await chat.knows(messages)) {
        plan.known++;
        return await chat.ask(messages);
      }
      plan.promptTokens += messages.reduce((sum, message) => sum + tokens(message), 0);
      plan.answerTokens += maxTokens;
      return `words of the usual length that may stand for feature ${number}`;
    },
  };
}
