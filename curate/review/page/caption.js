// Edits of one caption: sent with the text that the page showed, so that nothing on disk is overwritten unseen.

import { isConflict, post } from "./api.js";
import { resolveConflict } from "./conflict.js";
import { fail, notice } from "./notices.js";
import { quietly, refresh, state } from "./store.js";

const OWN_MS = 5000;
const known = new Map(); // id → caption text that the page showed last
let deciding = Promise.resolve(); // one question at a time
let changedAt = -OWN_MS;

export const shownCaption = (id) => known.get(id);
export const showCaption = (id, text) => known.set(id, text);

// What changes now was done here: no news for the person.
export const ownChange = () => { changedAt = performance.now(); };
export const isOwnChange = () => performance.now() - changedAt < OWN_MS;

// `mine`: the caption as the person sees it after the edit, for the case that another text is on disk.
// Gives "saved", "disk" (the person kept the other text) or "failed".
export async function editCaption(id, body, mine) {
  await deciding;
  let answer;
  try {
    answer = await post("/api/edit", () => ({ ids: [id], ...body, expected: { [id]: known.get(id) }, preview: false }));
  } catch (error) {
    if (isConflict(error)) return decide(id, error.now.caption, body, mine);
    fail(error);
    return "failed";
  }
  const change = answer.changes.find((one) => one.id === id);
  if (change) known.set(id, change.after);
  ownChange();
  await quietly(refresh);
  if (!answer.skipped?.length) return "saved";
  notice(answer.skipped[0].reason, { kind: "warn" });
  return "failed";
}

async function decide(id, disk, body, mine) {
  if (disk !== mine) {
    const question = resolveConflict(id, disk, mine);
    deciding = question.catch(() => {});
    if ((await question) === "mine") {
      known.set(id, disk);
      return editCaption(id, body, mine);
    }
  }
  known.set(id, disk);
  ownChange();
  await quietly(refresh);
  return disk === mine ? "saved" : "disk";
}

// What one types is kept in the browser until it is saved: a closed window or a lost server loses nothing.
const place = (id) => `curate review: ${state.folder}: ${id}`;

export const draft = (id) => localStorage.getItem(place(id));
export const keepDraft = (id, text) => localStorage.setItem(place(id), text);
export const dropDraft = (id) => localStorage.removeItem(place(id));
