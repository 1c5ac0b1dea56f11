// The filter beside the grid: fields that read and write one filter value.

import { ofFolder, tagList } from "./autocomplete.js";
import { checksField } from "./checks.js";
import { button, debounced, el, fillSelect, labelled, select } from "./dom.js";
import { EMPTY, isEmpty, reasonKind, SORTS } from "./filter_match.js";
import { compare, state, store } from "./store.js";

const YES_NO = [["", "any"], ["yes", "yes"], ["no", "no"]];
const SWITCHES = {
  edited: "Edited by you", dup: "Duplicate", low: "Uncertain tags", mask: "Has a mask", change: "Crop, turn or move planned",
};
const panel = document.getElementById("filters");
const toggleButton = document.getElementById("toggle-filters");
let filter = { ...EMPTY };
let report = () => {};
const fields = {};

export const currentFilter = () => filter;

function update(part) {
  filter = { ...filter, ...part };
  show();
  report();
}

// `change` runs after every change that a person makes.
export function startFilters(first, change) {
  filter = first;
  report = change;
  fields.q = el("input", { type: "search", placeholder: "name, source, tag or sentence", "aria-keyshortcuts": "/" });
  fields.q.addEventListener("input", debounced(120, () => update({ q: fields.q.value })));
  fields.concept = select([], "", (concept) => update({ concept }));
  fields.with = tagList({ label: "Has the tag", source: ofFolder, change: (tags) => update({ with: tags }) });
  fields.without = tagList({ label: "Lacks the tag", source: ofFolder, change: (tags) => update({ without: tags }) });
  fields.state = select([], "", (value) => update(stateOf(value)));
  fields.rating = select([], "", (rating) => update({ rating }));
  fields.tokens = el("input", { type: "text", inputmode: "numeric", placeholder: "76- or 0-10", size: 8 });
  fields.tokens.addEventListener("input", debounced(200, () => update({ tokens: fields.tokens.value.trim() })));
  for (const key of Object.keys(SWITCHES)) fields[key] = select(YES_NO, "", (value) => update({ [key]: value }));
  fields.check = checksField((check) => update({ check }));
  fields.reset = button("Clear the filter", () => update({ ...EMPTY, sort: filter.sort, down: filter.down }), { class: "quiet" });
  panel.append(
    labelled("Search", fields.q), labelled("Concept", fields.concept),
    group("Has the tag", fields.with.node), group("Lacks the tag", fields.without.node),
    labelled("In the set", fields.state), labelled("Rating", fields.rating),
    labelled("Caption length in tokens", fields.tokens), fields.check.node,
    el("details", { open: window.innerWidth >= 800 }, el("summary", {}, "More"),
      Object.entries(SWITCHES).map(([key, text]) => labelled(text, fields[key], key === "change" && { "data-need": "transform" }))),
    fields.reset,
  );
  fields.sort = select(Object.entries(SORTS).map(([key, [text]]) => [key, text]), filter.sort, (sort) => update({ sort }));
  fields.down = button("↑", () => update({ down: filter.down ? "" : "yes" }), { class: "quiet", "aria-label": "Order" });
  document.getElementById("sorting").append(labelled("Sort", fields.sort), fields.down);
  fields.sort.parentNode.classList.add("inline");
  toggleButton.addEventListener("click", () => toggleFilters());
  panel.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !event.defaultPrevented) toggleFilters(false); // on a small screen it covers the grid
  });
  store.addEventListener("change", show);
  show();
}

const group = (text, node) => el("div", { class: "field" }, el("span", {}, text), node);

function stateOf(value) {
  return value.startsWith("reason ") ? { state: "aside", reason: value.slice(7) } : { state: value, reason: "" };
}

export function setFilter(next) {
  filter = { ...EMPTY, ...next };
  show();
  report();
}

// The filter from the page's address: nothing has to be told to anybody.
export function showFilter(next) {
  filter = next;
  show();
}

export function toggleFilters(open = toggleButton.getAttribute("aria-expanded") !== "true") {
  toggleButton.setAttribute("aria-expanded", String(open));
  document.body.classList.toggle("filters-open", open);
}

export function focusSearch() {
  toggleFilters(true);
  fields.q.focus();
  fields.q.select();
}

export const focusTagFilter = () => {
  toggleFilters(true);
  fields.with.input.focus();
};

function tally(value) {
  const counts = new Map();
  for (const row of state.pictures.values()) {
    const key = value(row);
    if (key !== null) counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return counts;
}

const sorted = (counts) => [...counts].sort(([a], [b]) => compare(a, b));
const choice = ([key, count], text = key) => [key, `${text} (${count.toLocaleString("en")})`];

function show() {
  const inSet = (row) => row.aside === null;
  const concepts = tally((row) => (inSet(row) ? row.concept : null));
  const names = [...new Set([...state.concepts.map(({ name }) => name), ...concepts.keys()])];
  fillSelect(fields.concept, [["", "all"], ...names.map((name) => choice([name, concepts.get(name) ?? 0]))], filter.concept);
  const ratings = tally((row) => (inSet(row) ? row.rating ?? "none" : null));
  fillSelect(fields.rating, [["", "any"], ...sorted(ratings).map((one) => choice(one))], filter.rating);
  showState(inSet);
  for (const key of Object.keys(SWITCHES)) fields[key].value = filter[key];
  if (document.activeElement !== fields.q) fields.q.value = filter.q;
  if (document.activeElement !== fields.tokens) fields.tokens.value = filter.tokens;
  fields.check.show(filter.check);
  fields.with.show(filter.with);
  fields.without.show(filter.without);
  fields.sort.value = filter.sort;
  showOrder();
  fields.reset.hidden = isEmpty(filter);
  toggleButton.classList.toggle("active", !isEmpty(filter));
}

function showState(inSet) {
  const counts = tally((row) => (inSet(row) ? null : reasonKind(row.aside)));
  const aside = [...counts.values()].reduce((sum, count) => sum + count, 0);
  fillSelect(fields.state, [
    choice(["set", state.pictures.size - aside], "in the set"), choice(["aside", aside], "set aside"),
    choice(["all", state.pictures.size], "all"),
    ...sorted(counts).map(([reason, count]) => choice([`reason ${reason}`, count], `set aside: ${reason}`)),
  ], filter.reason ? `reason ${filter.reason}` : filter.state);
}

function showOrder() {
  fields.down.textContent = filter.down ? "↓" : "↑";
  fields.down.setAttribute("aria-label", filter.down ? "Order: largest first" : "Order: smallest first");
  const known = (sort) => sort === "name" || [...state.pictures.values()].some((row) => (SORTS[sort][1](row) ?? null) !== null);
  for (const option of fields.sort.options) option.disabled = !known(option.value);
}
