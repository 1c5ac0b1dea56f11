// All tags of the folder with their counts; a click shows their pictures.

import { get } from "./api.js";
import { openBulk } from "./bulk.js";
import { button, counted, debounced, el, isolated, labelled, select } from "./dom.js";
import { shown, EMPTY } from "./filter_match.js";
import { setFilter } from "./filters.js";
import { fail } from "./notices.js";
import { compare, folded, state, tagText } from "./store.js";

const STEP = 200; // rows drawn at once
const dialog = document.getElementById("statistics");
let tags = [];
let limit = STEP;
const search = el("input", { type: "search", "aria-label": "Search tags", placeholder: "search tags" });
const order = select([["count", "most frequent first"], ["rare", "rarest first"], ["name", "by name"]], "count", () => show());
const body = el("tbody", {});
const head = el("tr", {});
const total = el("p", { role: "status", class: "hint" });
const more = button("Show more", () => { limit += STEP; show(); });

export async function openStatistics() {
  try {
    tags = await get("/api/tags");
  } catch (error) {
    fail(error);
    return;
  }
  limit = STEP;
  const close = button("Close", () => dialog.close());
  dialog.replaceChildren(
    el("div", { class: "row" }, el("h2", { id: "statistics-title" }, "Tags"), close),
    el("div", { class: "row" }, labelled("Search", search), labelled("Order", order)), total,
    el("div", { class: "scroll" }, el("table", {}, el("thead", {}, head), body), more),
  );
  search.value = "";
  show();
  dialog.showModal();
  search.focus();
}

search.addEventListener("input", debounced(80, () => { limit = STEP; show(); }));

function show() {
  const words = folded(search.value.trim());
  const rows = tags.filter(({ tag }) => folded(tag).includes(words));
  const sign = { count: (a, b) => b.count - a.count, rare: (a, b) => a.count - b.count, name: () => 0 }[order.value];
  rows.sort((a, b) => sign(a, b) || compare(a.tag, b.tag));
  const concepts = state.concepts.map(({ name }) => name);
  head.replaceChildren(
    ...["Tag", "Pictures", ...concepts, ""].map((text, i) => el("th", { scope: "col", class: i ? "n" : "" }, text)));
  body.replaceChildren(...rows.slice(0, limit).map((row) => line(row, concepts)));
  more.hidden = rows.length <= limit;
  total.textContent = `${counted(rows.length, "tag")}. Click a tag to see its pictures, a number to see those of one concept.`;
}

function go(filter) {
  dialog.close();
  setFilter(filter);
  document.getElementById("grid").focus();
}

function line({ tag, count, concepts: counts }, concepts) {
  const number = (value, filter, label) => (value ? button(value.toLocaleString("en"), () => go(filter), { class: "link", "aria-label": label }) : "");
  const own = shownIdsOf(tag);
  const text = tagText(tag);
  return el("tr", {},
    el("th", { scope: "row" }, el("button", { type: "button", class: "link", on: { click: () => go({ with: [tag] }) } }, isolated(text))),
    el("td", { class: "n" }, count.toLocaleString("en")),
    ...concepts.map((name) => el("td", { class: "n" }, number(counts[name] ?? 0, { with: [tag], concept: name }, `${text} in ${name}`))),
    el("td", { class: "n" },
      button("Lacking", () => go({ without: [tag] }), { class: "quiet", "aria-label": `Pictures that lack ${text}` }),
      button("Rename", () => edit(own, "replace", tag), { class: "quiet", "aria-label": `Rename ${text}` }),
      button("Remove", () => edit(own, "remove", tag), { class: "quiet", "aria-label": `Remove ${text}` })));
}

const shownIdsOf = (tag) => () => shown({ ...EMPTY, with: [tag] }).map((row) => row.id);

function edit(ids, operation, tag) {
  dialog.close();
  openBulk(ids(), { operation, tags: [tag] });
}
