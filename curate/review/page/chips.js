// The tags of one picture as chips: add, remove, and reorder by drag or by key.

import { tagField } from "./autocomplete.js";
import { button, el, isolated } from "./dom.js";
import { bind } from "./keys.js";
import { announce, notice } from "./notices.js";
import { folded, tagText } from "./store.js";

const DRAG_PIXELS = 5;

export class Chips {
  // `change(body)`: the edit that the server shall make
  constructor(change) {
    this.change = change;
    this.chips = [];
    this.low = new Set();
    this.list = el("ul", { class: "chips", "aria-label": "Tags of this picture" });
    this.field = tagField({ label: "Add a tag", placeholder: "add a tag", take: (tag) => this.add(tag) });
    this.node = el("div", {}, this.list, this.field.node);
    this.list.addEventListener("keydown", (event) => this.key(event));
    this.list.addEventListener("pointerdown", (event) => this.grab(event));
  }

  get tags() {
    return this.chips.map(({ tag }) => tag);
  }

  show(chips, low) {
    const focused = this.list.contains(document.activeElement) ? document.activeElement.closest("li").dataset.tag : null;
    this.chips = chips;
    this.low = low;
    this.list.classList.add("known");
    this.list.replaceChildren(...chips.map((chip) => this.chip(chip)));
    const node = [...this.list.children].find((one) => one.dataset.tag === focused);
    this.tabStop(node ?? this.list.firstChild);
    if (focused !== null) (node ?? this.list.firstChild)?.querySelector(".name").focus();
  }

  chip({ tag, text, score, implied, trigger }) {
    const percent = score === null || score === undefined ? null : `${Math.round(score * 100)}%`;
    const notes = [trigger && "trigger word", implied && "implied by another tag", percent && `score ${percent}`,
      this.low.has(tag) && "uncertain"].filter(Boolean).join(", ");
    const kinds = [trigger && "trigger", implied && "implied", this.low.has(tag) && "low"].filter(Boolean).join(" ");
    return el("li", { class: `chip ${kinds}`, "data-tag": tag, title: notes || null },
      el("button", { type: "button", class: "name", tabindex: "-1", "aria-label": notes ? `${text}, ${notes}` : text },
        isolated(text), percent && el("small", {}, percent), implied && el("small", {}, "implied"), trigger && el("small", {}, "trigger")),
      !trigger && button("×", () => this.remove(tag), { class: "remove", tabindex: "-1", "aria-label": `Remove ${text}` }));
  }

  tabStop(node) {
    for (const one of this.list.querySelectorAll(".name")) one.tabIndex = one.parentNode === node ? 0 : -1;
  }

  add(tag) {
    if (this.tags.some((one) => folded(one) === folded(tag))) return notice(`${tagText(tag)} is there already.`);
    this.show([...this.chips, { tag, text: tagText(tag), score: null, implied: false, trigger: false }], this.low);
    return this.change({ operation: "add", tags: [tag] });
  }

  remove(tag) {
    if (this.chips.find((chip) => chip.tag === tag)?.trigger) {
      notice("A trigger word stays in the caption. To remove it, edit the caption file as text.", { kind: "warn" });
      return;
    }
    const i = this.tags.indexOf(tag);
    const focused = this.list.contains(document.activeElement);
    this.show(this.chips.filter((chip) => chip.tag !== tag), this.low);
    if (focused) this.focus(Math.min(i, this.chips.length - 1));
    announce(`${tagText(tag)} removed`);
    this.change({ operation: "remove", tags: [tag] });
  }

  move(tag, to) {
    const from = this.tags.indexOf(tag);
    const place = Math.max(0, Math.min(this.chips.length - 1, to));
    if (place === from) return;
    const chips = [...this.chips];
    chips.splice(place, 0, ...chips.splice(from, 1));
    this.show(chips, this.low);
    announce(`${tagText(tag)} is now number ${place + 1}`);
    this.change({ operation: "move", tags: [tag], position: place });
  }

  focus(i) {
    const node = this.list.children[i];
    if (!node) return this.field.input.focus();
    this.tabStop(node);
    return node.querySelector(".name").focus();
  }

  key(event) {
    const chip = event.target.closest("li");
    if (!chip) return;
    const i = [...this.list.children].indexOf(chip);
    const { tag } = chip.dataset;
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -1, ArrowDown: 1, Home: -Infinity, End: Infinity }[event.key];
    if (step && (event.altKey || event.ctrlKey || event.shiftKey)) this.move(tag, i + step);
    else if (step) this.focus(Math.max(0, Math.min(this.chips.length - 1, i + step)));
    else if (event.key === "Delete" || event.key === "Backspace") this.remove(tag);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  // A chip under the pointer follows it; it takes the place of the chip that it is let go on.
  grab(event) {
    const chip = event.target.closest("li");
    if (!chip || event.button !== 0 || event.target.closest(".remove")) return;
    const start = [event.clientX, event.clientY];
    let over = null;
    const move = (now) => {
      const [x, y] = [now.clientX - start[0], now.clientY - start[1]];
      if (!chip.classList.contains("dragged") && Math.hypot(x, y) < DRAG_PIXELS) return;
      chip.classList.add("dragged");
      chip.style.transform = `translate(${x}px, ${y}px)`;
      over?.classList.remove("target");
      over = document.elementsFromPoint(now.clientX, now.clientY)
        .map((node) => node.closest("li")).find((node) => node && node !== chip && this.list.contains(node)) ?? null;
      over?.classList.add("target");
    };
    const end = () => {
      for (const [kind, listener] of listeners) chip.removeEventListener(kind, listener);
      chip.classList.remove("dragged");
      chip.style.transform = "";
      over?.classList.remove("target");
    };
    const drop = () => {
      end();
      if (over) this.move(chip.dataset.tag, [...this.list.children].indexOf(over));
    };
    const listeners = [["pointermove", move], ["pointerup", drop], ["pointercancel", end]];
    chip.setPointerCapture(event.pointerId);
    for (const [kind, listener] of listeners) chip.addEventListener(kind, listener);
  }
}

bind("chips", ["ArrowLeft", "ArrowRight"], "previous, next tag", null);
bind("chips", ["Shift+ArrowLeft", "Shift+ArrowRight"], "move the tag", null);
bind("chips", ["Shift+Home", "Shift+End"], "move the tag to the start, to the end", null);
bind("chips", "Delete", "remove the tag", null);
