// Tags of many pictures at once: choose what to do, see the difference, then apply it as one step.

import { act } from "./actions.js";
import { ApiError, post } from "./api.js";
import { tagList } from "./autocomplete.js";
import { difference } from "./difference.js";
import { button, counted, debounced, el, isolated, labelled, select } from "./dom.js";
import { fileName } from "./store.js";

const SHOWN = 50; // differences that are drawn at first, and with every "show more"
const OPERATIONS = [
  ["add", "Add tags"], ["remove", "Remove tags"], ["replace", "Replace tags"], ["move", "Move tags to a place"],
];
const dialog = document.getElementById("bulk");
let run = 0;

// `start`: { operation, tags } that the form begins with
export function openBulk(ids, start = {}) {
  if (!ids.length) return;
  const form = new BulkForm(ids, { operation: "add", tags: [], ...start });
  dialog.replaceChildren(form.node);
  dialog.showModal();
  form.tags.input.focus();
  form.preview();
}

class BulkForm {
  constructor(ids, { operation, tags }) {
    this.ids = ids;
    this.changes = [];
    const later = debounced(150, () => this.preview());
    this.operation = select(OPERATIONS, operation, () => this.choose());
    this.tags = tagList({ label: "Tags", change: later });
    this.tags.show(tags);
    this.others = tagList({ label: "Replace with", change: later });
    this.place = el("input", { type: "number", min: 1, placeholder: "last", size: 5, on: { input: later } });
    this.result = el("p", { role: "status", class: "result" });
    this.list = el("div", { class: "differences" });
    this.submit = el("button", { type: "submit", class: "primary", disabled: true }, "Apply");
    this.withField = el("div", { class: "field" }, el("span", {}, "With"), this.others.node);
    this.placeField = labelled("Place (1 = first)", this.place);
    this.node = el("form", { method: "dialog", class: "bulk", on: { submit: (event) => { event.preventDefault(); this.apply(); } } },
      el("h2", { id: "bulk-title" }, `Edit the tags of ${counted(ids.length, "picture")}`),
      el("div", { class: "row" }, labelled("What", this.operation),
        el("div", { class: "field wide" }, el("span", {}, "Tags"), this.tags.node), this.withField, this.placeField),
      this.result, this.list,
      el("div", { class: "row end" }, button("Cancel", () => dialog.close(), { class: "quiet" }), this.submit));
    this.show();
  }

  show() {
    this.withField.hidden = this.operation.value !== "replace";
    this.placeField.hidden = !["add", "move"].includes(this.operation.value);
  }

  choose() {
    this.show();
    this.preview();
  }

  get body() {
    const place = Number.parseInt(this.place.value, 10);
    return {
      ids: this.ids, operation: this.operation.value, tags: this.tags.value(),
      ...(this.operation.value === "replace" ? { with: this.others.value() } : {}),
      ...(this.placeField.hidden || !(place >= 1) ? {} : { position: place - 1 }),
    };
  }

  async preview() {
    const turn = run += 1;
    this.submit.disabled = true;
    this.changes = [];
    if (!this.tags.value().length) {
      this.result.textContent = "Write a tag and press Enter. The difference is shown here before anything changes.";
      this.list.replaceChildren();
      return;
    }
    this.result.textContent = "Comparing …";
    let answer;
    try {
      answer = await post("/api/edit", { ...this.body, preview: true });
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.result.textContent = [error.message, error.remedy].filter(Boolean).join(" – ");
      return;
    }
    if (turn !== run) return;
    this.changes = answer.changes;
    this.submit.disabled = !answer.changes.length;
    const left = answer.skipped.length ? ` ${counted(answer.skipped.length, "picture")} cannot be changed: ${answer.skipped[0].reason}.` : "";
    this.result.textContent = `${counted(answer.changes.length, "caption")} of ${this.ids.length.toLocaleString("en")} would change.${left}`;
    this.list.replaceChildren();
    this.more();
  }

  more() {
    this.list.querySelector(":scope > button")?.remove();
    const from = this.list.children.length;
    this.list.append(...this.changes.slice(from, from + SHOWN).map(({ id, before, after }) =>
      el("section", {}, el("h3", {}, isolated(fileName({ id }))), difference(before, after))));
    const left = this.changes.length - this.list.children.length;
    if (left > 0) this.list.append(button(`Show ${Math.min(SHOWN, left)} of ${left.toLocaleString("en")} more`, () => this.more()));
  }

  // What the preview showed is what is written: a caption that changed on disk since is left alone.
  async apply() {
    const typed = this.tags.input.value || this.others.input.value;
    this.tags.finish();
    this.others.finish();
    if (typed || !this.changes.length) {
      await this.preview();
      return;
    }
    this.submit.disabled = true;
    const expected = Object.fromEntries(this.changes.map(({ id, before }) => [id, before]));
    const body = { ...this.body, ids: this.changes.map(({ id }) => id), expected, preview: false };
    const answer = await act(post("/api/edit", body), ({ changes }) => `${counted(changes.length, "caption")} changed.`);
    if (answer) dialog.close();
    else this.submit.disabled = false;
  }
}
