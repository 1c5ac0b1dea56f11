// What stands beside the large picture: facts, tags, sentence, and the caption as it is trained.

import { asideOrBack, moveToConcept } from "./actions.js";
import { getPicture } from "./api.js";
import { editCaption, isOwnChange, showCaption, shownCaption } from "./caption.js";
import { Chips } from "./chips.js";
import { button, counted, el, isolated } from "./dom.js";
import { position } from "./grid.js";
import { hints } from "./hints.js";
import { notice } from "./notices.js";
import { fileName, state } from "./store.js";
import { TextField } from "./text_field.js";
import { marks } from "./tile.js";

const CHUNK = 75; // tokens that CLIP reads at once

export class Panel {
  constructor() {
    this.id = null;
    this.chips = new Chips((body) => this.edit(body));
    const conflict = (id, drop) => this.showDisk(id, drop);
    this.sentence = new TextField({ operation: "sentence", label: "Sentence", rows: 3, conflict });
    this.text = new TextField({ operation: "text", label: "Caption file", rows: 5, conflict });
    this.title = el("h2", {});
    this.facts = el("dl", { class: "facts" });
    this.marks = el("p", { class: "row marks-row" });
    this.warning = el("p", { class: "warning", hidden: true });
    this.hints = el("div", { class: "hints", role: "status" });
    this.trained = el("p", { class: "trained" });
    this.tokens = el("div", { class: "tokens" });
    this.buttons = el("div", { class: "row" });
    this.captions = el("div", {},
      el("h3", {}, "Tags"), this.chips.node, this.hints,
      el("h3", {}, "Sentence ", this.sentence.status), this.sentence.input,
      el("h3", {}, "Caption as it is trained"), this.trained, this.tokens,
      el("details", { class: "file" }, el("summary", {}, "Edit the caption file as text ", this.text.status), this.text.input));
    this.node = el("section", { class: "panel", "aria-label": "About this picture" },
      this.title, this.marks, this.warning, this.buttons, this.captions, el("h3", {}, "About"), this.facts);
  }

  clear() {
    this.id = null;
    this.sentence.clear();
    this.text.clear();
    this.title.textContent = "";
  }

  show(detail) {
    const same = this.id === detail.id;
    const typing = same && (this.sentence.isTyped || this.text.isTyped);
    if (same && !typing && shownCaption(detail.id) !== detail.caption && !isOwnChange()) {
      notice("The caption changed on disk. This is the new text.");
    }
    this.id = detail.id;
    // what is typed was typed on the text that was shown: saving it finds out that the file changed since
    if (!typing) showCaption(detail.id, detail.caption);
    this.sentence.show(detail.id, detail.sentence);
    this.text.show(detail.id, detail.caption);
    this.showTitle(detail);
    this.chips.show(detail.chips, new Set(detail.low.map((i) => state.tags[i])));
    this.captions.hidden = detail.aside !== null;
    this.hints.replaceChildren(...hints(detail).map((one) => el("p", { class: "warning" }, isolated(one.text), " ",
      one.edit && button(one.button, () => this.edit(one.edit)))));
    this.showTrained(detail);
    this.showFacts(detail);
  }

  showTitle(detail) {
    const { id, aside } = detail;
    const [place, count] = position(id);
    this.marks.replaceChildren(...marks(detail).map(([sign, kind]) => el("span", { class: `mark ${kind}` }, isolated(sign))));
    this.title.replaceChildren(isolated(fileName({ id })), el("small", {}, place ? ` ${place} of ${count}` : ""));
    this.warning.hidden = aside === null;
    this.warning.textContent = aside === null ? "" : `Set aside: ${aside}`;
    this.buttons.replaceChildren(
      button(aside === null ? "Set aside" : "Bring back", () => asideOrBack([id]), { title: "x", "data-need": "aside" }),
      button("Another concept", () => moveToConcept([id]), { title: "o", "data-need": "concept" }));
  }

  showTrained({ trained, chunks }) {
    this.trained.replaceChildren(trained ? isolated(trained) : el("span", { class: "hint" }, "The caption is empty."));
    if (chunks === null) {
      this.tokens.replaceChildren("Tokens are not known. Counting them needs the tokenizer of the base model on this machine (curate review --base MODEL).");
      return;
    }
    const total = chunks.reduce((sum, count) => sum + count, 0);
    const sum = chunks.length > 1 ? ` (${chunks.join(" + ")})` : ` of ${CHUNK}`;
    this.tokens.replaceChildren(
      ...chunks.map((count) => el("meter", { min: 0, max: CHUNK, value: String(count), "aria-label": `${count} of ${CHUNK} tokens` })),
      el("span", {}, `${counted(total, "token")}${sum}`));
  }

  showFacts(detail) {
    const number = (value) => (value === null || value === undefined ? null : Number(value.toPrecision(3)).toString());
    const size = detail.width === null ? null : `${detail.width} × ${detail.height}, ${Math.ceil(detail.bytes / 1024)} kB`;
    const facts = {
      Concept: detail.concept, "Next run moves it to": detail.concept_next, Size: size, Source: detail.source, Rating: detail.rating,
      "Quality score": number(detail.score), Sharpness: number(detail.sharpness), "Loss in training": number(detail.loss),
      "Duplicate of": detail.duplicate_of, Edited: detail.edited ? "by you" : null, File: detail.id,
    };
    this.facts.replaceChildren(...Object.entries(facts).filter(([, value]) => value).flatMap(([name, value]) =>
      [el("dt", {}, name), el("dd", {}, isolated(String(value)))]));
  }

  async edit(body) {
    const { id } = this;
    const result = await editCaption(id, body);
    if (result !== "saved") await this.showDisk(id, result === "disk");
  }

  // After an edit that was not made: what is on disk. What was typed stays, unless the person dropped it.
  async showDisk(id, drop) {
    if (drop) for (const field of [this.sentence, this.text]) field.reset(id);
    if (this.id !== id) return;
    const detail = await getPicture(id);
    if (this.id === id) this.show(detail);
  }

  flush() {
    this.sentence.flush();
    this.text.flush();
  }

  focusTags() { this.chips.field.input.focus(); }

  focusChips() { this.chips.focus(0); }

  focusSentence() { this.sentence.input.focus(); }
}
