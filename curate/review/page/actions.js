// What a person does to pictures: each action is one request, one message, and one step for undo.

import { deleteMask, end, post, postMask } from "./api.js";
import { ownChange } from "./caption.js";
import { button, counted, el } from "./dom.js";
import { fail, notice } from "./notices.js";
import { fileName, quietly, refresh, state } from "./store.js";

// Runs a request, then shows what changed and what was left alone. Gives the answer, or null after an error.
export async function act(request, message, { undoable = true } = {}) {
  let answer;
  try {
    answer = await request;
  } catch (error) {
    fail(error);
    await quietly(refresh);
    return null;
  }
  ownChange();
  await quietly(refresh);
  const text = typeof message === "function" ? message(answer) : message;
  if (text) notice(text, undoable ? { action: ["Undo", undo] } : {});
  showSkipped(answer.skipped ?? []);
  return answer;
}

function showSkipped(skipped) {
  if (!skipped.length) return;
  const reasons = [...new Set(skipped.map(({ reason }) => reason))];
  const which = skipped.length === 1 ? fileName(skipped[0]) : counted(skipped.length, "picture");
  notice(`Left as it was: ${which}. ${reasons.slice(0, 3).join("; ")}`, { kind: "warn" });
}

const howMany = (ids) => (ids.length === 1 ? fileName({ id: ids[0] }) : counted(ids.length, "picture"));

export function setAside(ids) {
  const inSet = ids.filter((id) => state.pictures.get(id)?.aside === null);
  const message = ({ skipped }) => {
    const left = new Set(skipped.map(({ id }) => id));
    const done = inSet.filter((id) => !left.has(id));
    return done.length ? `Set aside: ${howMany(done)}.` : "";
  };
  if (inSet.length) act(post("/api/aside", { ids: inSet }), message);
  else notice("None of these pictures is in the set.", { kind: "warn" });
}

export function bringBack(ids) {
  const aside = ids.filter((id) => state.pictures.has(id) && state.pictures.get(id).aside !== null);
  if (aside.length) act(post("/api/restore", { ids: aside }), `Brought back: ${howMany(aside)}. The next run writes it again.`);
  else notice("None of these pictures is set aside.", { kind: "warn" });
}

export function asideOrBack(ids) {
  const all = ids.every((id) => state.pictures.has(id) && state.pictures.get(id).aside !== null);
  (all ? bringBack : setAside)(ids);
}

export async function undo() {
  try {
    const { undone } = await post("/api/undo", {});
    ownChange();
    notice(undone ? `Undone: ${undone.replace(/^review \((.*)\)$/s, "$1")}` : "There is nothing to undo.");
  } catch (error) {
    fail(error);
  }
  await quietly(refresh);
}

export const transform = (id, { crop, rotate, flip }) =>
  act(post("/api/transform", { id, crop, rotate, flip }), "Kept. The next run carries it out; the source picture stays as it is.");

export const saveMask = (id, blob) => act(postMask(id, blob), "Mask saved.");
export const removeMask = (id) => act(deleteMask(id), "Mask removed.");

// Goes out after everything that is still to be saved.
export async function acceptAndContinue() {
  try {
    await post("/api/continue", {});
    end();
  } catch (error) {
    fail(error);
    await quietly(refresh);
  }
}

// A caption that the person edited is never changed, so it keeps the trigger words of the concept before.
function moved(ids, { concept, skipped }) {
  const left = new Set(skipped.map(({ id }) => id));
  const done = ids.filter((id) => !left.has(id));
  const own = done.filter((id) => state.pictures.get(id)?.edited);
  const keeps = own.length === 1 ? "You edited its caption, so it keeps" : `You edited ${counted(own.length, "caption")} of these, which keep`;
  return done.length ? `Moved to ${concept}: ${howMany(done)}.${own.length ? ` ${keeps} the old trigger words.` : ""}` : "";
}

const dialog = document.getElementById("choose-concept");

export function moveToConcept(ids) {
  if (!ids.length) return;
  const take = (concept) => {
    dialog.close();
    if (concept.trim()) act(post("/api/concept", { ids, concept: concept.trim() }), (answer) => moved(ids, answer));
  };
  const isMoved = ids.some((id) => state.pictures.get(id)?.concept_next);
  const back = () => {
    dialog.close();
    act(post("/api/concept", { ids, concept: null }), `Back in its own concept: ${howMany(ids)}.`);
  };
  const input = el("input", { type: "text", name: "concept", "aria-label": "Another concept", placeholder: "new concept" });
  dialog.replaceChildren(
    el("form", { method: "dialog", on: { submit: (event) => { event.preventDefault(); take(input.value); } } },
      el("h2", { id: "concept-title" }, `Move ${howMany(ids)} to another concept`),
      el("div", { class: "choices" }, state.concepts.map(({ name }) => button(name, () => take(name))),
        isMoved && button("Back to its own", back, { class: "quiet" })),
      el("div", { class: "row" }, input, el("button", { type: "submit" }, "Move"), button("Cancel", () => dialog.close(), { class: "quiet" }))),
  );
  dialog.showModal();
}
