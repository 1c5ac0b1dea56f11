// Edits of one caption: sent with the text that the page showed, so that nothing on disk is overwritten unseen.

import { isConflict, post } from "./api.js";
import { resolveConflict } from "./conflict.js";
import { dropActions, fail, notice } from "./notices.js";
import { quietly, refresh } from "./store.js";

const OWN_MS = 5000;
const known = new Map(); // id → caption text that the page showed last
let deciding = Promise.resolve(); // one question at a time
let changedAt = -OWN_MS;

export const shownCaption = (id) => known.get(id);
export const showCaption = (id, text) => known.set(id, text);

// What changes now was done here: no news for the person.
export function ownChange() {
  changedAt = performance.now();
  dropActions();
}

export const isOwnChange = () => performance.now() - changedAt < OWN_MS;

// Gives "saved", "same" (there was nothing to change), "disk" (another text is on disk, and the person kept it),
// "open" (the person did not decide) or "failed".
export async function editCaption(id, body) {
  await deciding;
  let answer;
  try {
    answer = await post("/api/edit", () => ({ ids: [id], ...body, expected: { [id]: known.get(id) }, preview: false }));
  } catch (error) {
    if (isConflict(error) && error.now.caption !== known.get(id)) return decide(id, error.now.caption, body);
    fail(error);
    return "failed";
  }
  const change = answer.changes.find((one) => one.id === id);
  if (change) known.set(id, change.after);
  ownChange();
  await quietly(refresh);
  if (answer.note) notice(answer.note, { kind: "warn" });
  if (!answer.skipped.length) return change ? "saved" : "same";
  notice(answer.skipped[0].reason, { kind: "warn" });
  return "failed";
}

async function decide(id, disk, body) {
  const question = ask(id, disk, body);
  deciding = question.catch(() => {});
  let choice;
  try {
    choice = await question;
  } catch (error) {
    fail(error);
    return "failed";
  }
  if (choice === "open") return choice;
  known.set(id, disk);
  if (choice === "mine") return editCaption(id, body);
  ownChange();
  await quietly(refresh);
  return choice;
}

// Makes the same change in the text on disk, as a preview. "saved" where that text has it already.
async function ask(id, disk, body) {
  const { changes } = await post("/api/edit", { ids: [id], ...body, preview: true });
  const result = changes.find((one) => one.id === id)?.after ?? disk;
  return result === disk ? "same" : resolveConflict(id, { disk, result, before: known.get(id) ?? "" });
}
