// Which pictures are selected, and where the keyboard stands in the grid.

import { state, store } from "./store.js";

export const selection = new EventTarget(); // "change"
const ids = new Set();

export const isSelected = (id) => ids.has(id);
export const selectedCount = () => ids.size;
export const selectedIds = () => [...ids];

function changed() {
  selection.dispatchEvent(new Event("change"));
}

export function toggle(id) {
  if (!ids.delete(id)) ids.add(id);
  changed();
}

export function selectOnly(list) {
  ids.clear();
  list.forEach((id) => ids.add(id));
  changed();
}

export function selectMore(list) {
  list.forEach((id) => ids.add(id));
  changed();
}

export const clearSelection = () => selectOnly([]);

store.addEventListener("change", () => {
  const before = ids.size;
  for (const id of ids) if (!state.pictures.has(id)) ids.delete(id);
  if (ids.size !== before) changed();
});
