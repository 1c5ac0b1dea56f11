// A text of the caption that one types: saved when one leaves the field, kept in the browser until then.

import { editCaption } from "./caption.js";
import { el } from "./dom.js";
import { state } from "./store.js";

const STATES = { saved: "saved", disk: "", open: "not saved: the caption changed on disk", failed: "not saved" };
const UNSAVED = "not saved yet: Ctrl+Enter saves";

export class TextField {
  // `operation` of the server; `conflict(id, drop)` runs after an edit that was not made
  constructor({ operation, label, rows, conflict }) {
    Object.assign(this, { operation, conflict, id: null, saved: "", saving: false, again: false });
    this.input = el("textarea", { rows, "aria-label": label, spellcheck: "true" });
    this.status = el("span", { class: "hint", role: "status" });
    this.input.addEventListener("input", () => {
      localStorage.setItem(this.place(this.id), this.input.value);
      this.status.textContent = UNSAVED;
    });
    this.input.addEventListener("blur", () => this.flush());
    this.input.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) this.flush();
      if (event.key !== "Escape") return;
      event.stopPropagation();
      document.querySelector("canvas.stage").focus();
    });
  }

  // where a closed window or a lost server leaves what was typed
  place(id) {
    return `curate review: ${this.operation}: ${state.folder}: ${id}`;
  }

  get isTyped() {
    return this.id !== null && this.input.value !== this.saved;
  }

  clear() {
    this.id = null;
    this.saved = "";
    this.input.value = "";
  }

  show(id, text) {
    const typing = this.id === id && this.isTyped;
    this.id = id;
    if (typing) return;
    const kept = localStorage.getItem(this.place(id));
    if (kept === text) this.drop(id);
    const isNew = kept !== null && kept !== text;
    this.saved = text;
    if (this.input.value !== (isNew ? kept : text)) this.input.value = isNew ? kept : text;
    if (isNew) this.status.textContent = UNSAVED;
    else if (this.status.textContent !== STATES.saved) this.status.textContent = "";
  }

  drop(id) {
    localStorage.removeItem(this.place(id));
  }

  // The person kept what is on disk.
  reset(id) {
    this.drop(id);
    if (this.id === id) this.input.value = this.saved;
  }

  async flush() {
    this.again = this.saving;
    if (!this.isTyped || this.saving) return;
    const { id, operation } = this;
    const text = this.input.value;
    this.saving = true;
    this.status.textContent = "saving …";
    const answer = await editCaption(id, { operation, text });
    const result = answer === "same" ? "saved" : answer;
    this.saving = false;
    if (result === "saved" && localStorage.getItem(this.place(id)) === text) this.drop(id);
    if (result !== "saved") await this.conflict(id, result === "disk");
    if (this.id !== id) return;
    if (result === "saved") this.saved = text;
    this.status.textContent = result === "saved" && this.isTyped ? UNSAVED : STATES[result];
    // what was typed while the server did not answer
    if (this.again && result === "saved") this.flush();
  }
}
