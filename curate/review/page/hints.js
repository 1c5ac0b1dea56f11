// What a person should know of a caption: trigger words that are missing, that do not stand first, or that are another concept's.

import { state } from "./store.js";

const quoted = (words) => words.map((word) => `“${word}”`).join(", ");
const named = (words) => `the trigger ${words.length === 1 ? "word" : "words"} ${quoted(words)}`;
const triggerOf = (name) => state.concepts.find((one) => one.name === name)?.trigger ?? name.split(",").map((word) => word.trim());
const holds = (caption, word) => caption.toLowerCase().includes(word.toLowerCase());

// Of each hint the text, and where the page can mend it what the button says and the edit that it makes.
export function hints({ aside, caption, chips, concept, concept_next: next, edited, trigger }) {
  if (aside !== null) return [];
  const list = [];
  const missing = trigger.filter((word) => !holds(caption, word));
  const other = missing.length ? ofAnother(caption, concept, trigger) : null;
  if (other) {
    list.push({
      text: `The caption has ${named(other.words)} of ${other.name}, and lacks ${quoted(missing)}. A caption that you edited is never changed for you.`,
      button: "Replace", edit: { operation: "replace", tags: other.words, with: missing },
    });
  } else if (missing.length && caption) {
    list.push({ text: `The caption lacks ${named(missing)}.`, button: "Put it first", edit: { operation: "add", tags: missing, position: 0 } });
  }
  const own = chips.filter((chip) => chip.trigger).map(({ tag }) => tag);
  if (own.length && chips.slice(0, own.length).some((chip) => !chip.trigger)) {
    list.push({
      text: `${chips[0].text} stands before ${named(own)}. Trainers keep the first tags in place when they shuffle: put the trigger first.`,
      button: "Put it first", edit: { operation: "move", tags: own, position: 0 },
    });
  }
  const kept = next && edited ? trigger.filter((word) => holds(caption, word) && !triggerOf(next).includes(word)) : [];
  if (kept.length) {
    list.push({ text: `The next run moves the picture to ${next}. You edited its caption, so it keeps ${named(kept)}: correct it after that run.` });
  }
  return list;
}

function ofAnother(caption, concept, trigger) {
  for (const { name, trigger: theirs } of state.concepts) {
    const words = theirs.filter((word) => !trigger.includes(word) && holds(caption, word));
    if (name !== concept && words.length) return { name, words };
  }
  return null;
}
