// A text field that suggests tags while one types: with counts, and the alias that matched.

import { ApiError, get, GoneError } from "./api.js";
import { debounced, el, isolated } from "./dom.js";
import { folderTags, tagText } from "./store.js";
import { announce } from "./notices.js";

const DELAY_MS = 80;
let made = 0;

// Suggestions of the server: the vocabulary of the tagger and the tags of this folder.
export async function vocabulary(words, signal) {
  const query = new URLSearchParams({ q: words, limit: "20" });
  try {
    return await get(`/api/vocabulary?${query}`, signal);
  } catch (error) {
    if (signal.aborted || error instanceof GoneError || error instanceof ApiError) return folderTags(words);
    throw error;
  }
}

// Suggestions of this folder alone: what a filter can show.
export const ofFolder = async (words) => folderTags(words);

// `take` gets one tag; commas divide several. `label` names the field for a screen reader.
export function tagField({ label, take, source = vocabulary, placeholder = "" }) {
  const id = `tags-${made += 1}`;
  const list = el("ul", { id, role: "listbox", "aria-label": `Suggestions: ${label}`, class: "suggestions", hidden: true });
  const input = el("input", {
    type: "text", role: "combobox", autocomplete: "off", spellcheck: "false", placeholder,
    "aria-label": label, "aria-controls": id, "aria-expanded": "false", "aria-autocomplete": "list",
  });
  let options = [];
  let active = -1;
  let running = null;

  function close() {
    running?.abort();
    options = [];
    active = -1;
    list.hidden = true;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  }

  function activate(index) {
    active = index;
    [...list.children].forEach((option, i) => option.setAttribute("aria-selected", String(i === index)));
    if (index < 0) return input.removeAttribute("aria-activedescendant");
    list.children[index].scrollIntoView({ block: "nearest" });
    return input.setAttribute("aria-activedescendant", `${id}-${index}`);
  }

  function choose(text) {
    const tags = text.split(",").map((tag) => tag.trim()).filter(Boolean);
    input.value = "";
    close();
    tags.forEach(take);
  }

  async function suggest() {
    const words = input.value.trim();
    running?.abort();
    if (!words || document.activeElement !== input) return close();
    running = new AbortController();
    const { signal } = running;
    let answer = [];
    try {
      answer = await source(words, signal);
    } catch (error) {
      if (!signal.aborted) throw error;
    }
    if (signal.aborted || document.activeElement !== input) return undefined;
    options = answer;
    list.replaceChildren(...options.map((one, i) => suggestion(one, `${id}-${i}`)));
    list.hidden = options.length === 0;
    input.setAttribute("aria-expanded", String(options.length > 0));
    activate(-1);
    return announce(options.length ? `${options.length} suggestions` : "");
  }

  function suggestion({ tag, text, count, alias }, optionId) {
    return el("li", { role: "option", id: optionId, "aria-selected": "false", on: { pointerdown: (event) => {
      event.preventDefault();
      choose(tag);
    } } },
    el("span", { class: "name" }, alias ? [isolated(alias), " → "] : null, isolated(text ?? tag)),
    el("small", {}, count ? count.toLocaleString("en") : ""));
  }

  const later = debounced(DELAY_MS, suggest);
  input.addEventListener("input", () => {
    if (input.value.endsWith(",")) choose(input.value);
    else later();
  });
  input.addEventListener("blur", close);
  input.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && options.length) {
      event.preventDefault();
      activate((active + step + options.length + (active < 0 && step < 0 ? 1 : 0)) % options.length);
    } else if (event.key === "Enter" && (active >= 0 || input.value.trim())) {
      event.preventDefault();
      event.stopPropagation();
      choose(active >= 0 ? options[active].tag : input.value);
    } else if (event.key === "Escape" && options.length) {
      event.preventDefault();
      event.stopPropagation();
      close();
    }
  });
  return { node: el("div", { class: "tag-field" }, input, list), input };
}

// Several tags in a row, each with a button that removes it. `change` gets all of them.
export function tagList({ label, change, source = vocabulary, placeholder = "" }) {
  let tags = [];
  const chosen = el("span", { class: "chosen" });
  const field = tagField({ label, source, placeholder, take: (tag) => set([...tags, tag]) });
  field.input.addEventListener("keydown", (event) => {
    if (event.key === "Backspace" && !field.input.value && tags.length) set(tags.slice(0, -1));
  });

  function show(next) {
    tags = [...new Set(next)];
    chosen.replaceChildren(...tags.map((tag) => el("button", {
      type: "button", class: "tag", "aria-label": `Remove ${tagText(tag)}`, on: { click: () => set(tags.filter((one) => one !== tag)) },
    }, isolated(tagText(tag)), el("span", { "aria-hidden": "true" }, " ×"))));
  }

  function set(next) {
    show(next);
    change(tags);
  }

  return { node: el("div", { class: "tag-list" }, chosen, field.node), input: field.input, show, value: () => tags,
    // what is typed, but not yet taken with Enter, counts too
    finish: () => {
      const rest = field.input.value.split(",").map((tag) => tag.trim()).filter(Boolean);
      field.input.value = "";
      if (rest.length) show([...tags, ...rest]);
      return tags;
    } };
}
