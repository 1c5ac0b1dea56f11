// One tile of the grid: thumbnail, name, and small marks that say what is special about the picture.

import { counted, el } from "./dom.js";
import { fileName } from "./store.js";

export function makeTile() {
  const image = el("img", { alt: "", decoding: "async", draggable: "false" });
  image.addEventListener("error", () => image.parentNode.classList.add("blank"));
  return el("div", { role: "option", class: "tile", "aria-selected": "false" },
    el("div", { class: "thumb" }, image, el("span", { class: "check", "aria-hidden": "true" }), el("span", { class: "marks" })),
    el("bdi", { class: "name" }), el("span", { class: "facts" }));
}

export function fillTile(tile, row) {
  const [thumb, name, facts] = tile.children;
  thumb.querySelector(".marks").replaceChildren(...marks(row).map(([sign, kind]) => el("span", { class: `mark ${kind}` }, sign)));
  name.textContent = fileName(row);
  name.title = row.id;
  facts.textContent = row.aside ?? numbers(row);
  facts.title = facts.textContent;
  tile.classList.toggle("aside", row.aside !== null);
  tile.setAttribute("aria-label", [fileName(row), row.concept, facts.textContent, ...marks(row).map(([sign]) => sign)].join(", "));
}

// The same address is not loaded again.
export function loadThumbnail(tile, url) {
  const image = tile.querySelector("img");
  if (image.getAttribute("src") === url) return;
  image.parentNode.classList.remove("blank");
  image.src = url;
}

// Unknown at first in a large folder; the server tells later.
function numbers({ width, height, tokens }) {
  return [width !== null && `${width}×${height}`, tokens !== null && counted(tokens, "token")].filter(Boolean).join(" · ");
}

export function marks(row) {
  const list = [];
  if (row.aside !== null) list.push(["set aside", "warn"]);
  if (row.edited) list.push(["edited", "info"]);
  if (row.duplicate_of) list.push(["duplicate", "warn"]);
  if (row.transform && !row.transform_done) list.push([transformWord(row.transform), "info"]);
  if (row.concept_next) list.push([`→ ${row.concept_next}`, "info"]);
  if (row.mask) list.push(["mask", "info"]);
  if (row.tokens === 0) list.push(["no caption", "warn"]);
  return list;
}

function transformWord({ crop, rotate, flip }) {
  return [crop && "crop", rotate && `${rotate}°`, flip && "flip"].filter(Boolean).join(" ") || "as the source";
}
