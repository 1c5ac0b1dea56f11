// What stands beside the large picture: facts, tags, sentence, and the caption as it is trained.

import { draft, dropDraft, editCaption, isOwnChange, keepDraft, showCaption, shownCaption } from "./caption.js";
import { Chips } from "./chips.js";
import { asideOrBack, moveToConcept } from "./actions.js";
import { getPicture } from "./api.js";
import { button, counted, debounced, el, isolated } from "./dom.js";
import { position } from "./grid.js";
import { notice } from "./notices.js";
import { fileName, state } from "./store.js";

const SAVE_MS = 1200; // pause in typing after which the sentence is saved
const CHUNK = 75; // tokens that a text encoder of Stable Diffusion reads at once

export class Panel {
  constructor() {
    this.detail = null;
    this.saving = false;
    this.chips = new Chips((body, tags) => this.save(body, this.text(tags, this.sentence.value)));
    this.title = el("h2", {});
    this.facts = el("dl", { class: "facts" });
    this.warning = el("p", { class: "warning", hidden: true });
    this.sentence = el("textarea", { rows: 3, "aria-label": "Sentence", spellcheck: "true" });
    this.typed = el("span", { class: "hint", role: "status" });
    this.trained = el("p", { class: "trained" });
    this.tokens = el("div", { class: "tokens" });
    this.buttons = el("div", { class: "row" });
    this.node = el("section", { class: "panel", "aria-label": "About this picture" },
      this.title, this.warning, this.buttons,
      el("h3", {}, "Tags"), this.chips.node,
      el("h3", {}, "Sentence ", this.typed), this.sentence,
      el("h3", {}, "Caption as it is trained"), this.trained, this.tokens, el("h3", {}, "About"), this.facts);
    const later = debounced(SAVE_MS, () => this.flush());
    this.sentence.addEventListener("input", () => {
      keepDraft(this.detail.id, this.sentence.value);
      this.typed.textContent = "not saved yet";
      later();
    });
    this.sentence.addEventListener("blur", () => this.flush());
    this.sentence.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) this.flush();
      if (event.key !== "Escape") return;
      event.stopPropagation();
      document.querySelector("canvas.stage").focus();
    });
  }

  get isTyped() {
    return this.detail !== null && this.sentence.value !== this.detail.sentence;
  }

  text(tags, sentence) {
    return [...tags, sentence].filter(Boolean).join(", ");
  }

  clear() {
    this.detail = null;
    this.title.textContent = "";
  }

  show(detail) {
    const same = this.detail?.id === detail.id;
    const typing = same && this.isTyped;
    if (same && !typing && shownCaption(detail.id) !== detail.caption && !isOwnChange()) {
      notice("The caption changed on disk. This is the new text.");
    }
    const [place, count] = position(detail.id);
    this.detail = typing ? { ...detail, sentence: this.detail.sentence } : detail;
    if (!typing) {
      showCaption(detail.id, detail.caption);
      this.showSentence(detail);
    }
    this.title.replaceChildren(isolated(fileName(detail)), el("small", {}, place ? ` ${place} of ${count}` : ""));
    const low = new Set(detail.low.map((i) => state.tags[i]));
    this.chips.show(detail.chips, low);
    this.showTrained(detail);
    this.showFacts(detail);
  }

  showSentence(detail) {
    const kept = draft(detail.id);
    const isNew = kept !== null && kept !== detail.sentence;
    if (kept !== null && !isNew) dropDraft(detail.id);
    this.sentence.value = isNew ? kept : detail.sentence;
    this.typed.textContent = isNew ? "not saved yet" : "";
  }

  showTrained({ trained, chunks }) {
    this.trained.replaceChildren(trained ? isolated(trained) : el("span", { class: "hint" }, "The caption is empty."));
    const total = chunks.reduce((sum, count) => sum + count, 0);
    this.tokens.replaceChildren(
      ...chunks.map((count) => el("meter", { min: 0, max: CHUNK, value: String(count), "aria-label": `${count} of ${CHUNK} tokens` })),
      el("span", {}, `${counted(total, "token")}${chunks.length > 1 ? ` (${chunks.join(" + ")})` : ` of ${CHUNK}`}`));
  }

  showFacts(detail) {
    const number = (value) => (value === null || value === undefined ? null : Number(value.toPrecision(3)).toString());
    const facts = {
      Concept: detail.concept, "Next run moves it to": detail.concept_next, Size: detail.width === null ? null : `${detail.width} × ${detail.height}, ${Math.ceil(detail.bytes / 1024)} kB`,
      Source: detail.source, Rating: detail.rating, "Quality score": number(detail.score), Sharpness: number(detail.sharpness),
      "Loss in training": number(detail.loss), "Duplicate of": detail.duplicate_of, Edited: detail.edited ? "by you" : null, File: detail.id,
    };
    this.facts.replaceChildren(...Object.entries(facts).filter(([, value]) => value).flatMap(([name, value]) =>
      [el("dt", {}, name), el("dd", {}, isolated(String(value)))]));
    this.warning.hidden = detail.aside === null;
    this.warning.textContent = detail.aside === null ? "" : `Set aside: ${detail.aside}`;
    this.buttons.replaceChildren(
      button(detail.aside === null ? "Set aside" : "Bring back", () => asideOrBack([detail.id]), { title: "x" }),
      button("Another concept", () => moveToConcept([detail.id]), { title: "o" }));
  }

  async save(body, mine) {
    const { id } = this.detail;
    const result = await editCaption(id, body, mine);
    if (result !== "saved") await this.showDisk(id, result === "disk");
    return result;
  }

  // After an edit that was not made: what is on disk. What was typed stays as a draft, unless the person dropped it.
  async showDisk(id, drop) {
    if (drop) dropDraft(id);
    if (this.detail?.id !== id) return;
    const detail = await getPicture(id);
    if (this.detail?.id !== id) return;
    if (drop) this.detail.sentence = this.sentence.value;
    this.show(detail);
  }

  // Saves the sentence if it was changed.
  async flush() {
    if (!this.isTyped || this.saving) return;
    const { id } = this.detail;
    const text = this.sentence.value;
    this.saving = true;
    this.typed.textContent = "saving …";
    const result = await this.save({ operation: "sentence", text }, this.text(this.chips.tags, text));
    this.saving = false;
    if (result === "saved" && draft(id) === text) dropDraft(id);
    if (this.detail?.id !== id) return;
    if (result === "saved") this.detail.sentence = text;
    this.typed.textContent = { saved: this.isTyped ? "not saved yet" : "saved", disk: "", failed: "not saved" }[result];
  }

  focusTags() { this.chips.field.input.focus(); }

  focusChips() { this.chips.focus(0); }

  focusSentence() { this.sentence.focus(); }
}
