// The grid: only the rows in sight are in the document, and their tiles are used again while one scrolls.

import { thumbnailUrl } from "./api.js";
import { debounced, el } from "./dom.js";
import { isSelected, selection, selectMore, selectOnly, toggle } from "./selection.js";
import { announce } from "./notices.js";
import { fillTile, loadThumbnail, makeTile } from "./tile.js";

const SPARE_ROWS = 2; // rows above and below what is in sight
const TEXT_HEIGHT = 48; // pixels below the picture in a tile
const GAP = 8;
const FAST = 6; // pixels per millisecond: nobody sees a thumbnail that goes by faster, so it is not loaded
const REST_MS = 100;
const box = document.getElementById("grid");
const rows = document.getElementById("rows");
let pictures = [];
let place = new Map(); // id → position
let size = 190;
let columns = 1;
let rowHeight = 1;
let cursor = 0;
let anchor = 0;
const drawn = new Map(); // position → tile
const free = [];
let waiting = 0;
let last = { top: 0, time: 0 };
let fast = false;
let openPicture = () => {};

export const cursorId = () => pictures[cursor]?.id ?? null;
export const shownIds = () => pictures.map((row) => row.id);
export const isShown = (id) => place.has(id);
export const neighbour = (id, step) => pictures[(place.get(id) ?? -1) + step]?.id ?? null;
export const position = (id) => [(place.get(id) ?? -1) + 1, pictures.length];

// `keep`: rows changed, but the person stays where they are.
export function showPictures(list, { keep = false } = {}) {
  const id = cursorId();
  const before = cursor;
  pictures = list;
  place = new Map(list.map((row, i) => [row.id, i]));
  cursor = place.get(id) ?? Math.min(keep ? before : 0, Math.max(list.length - 1, 0));
  anchor = Math.min(anchor, Math.max(list.length - 1, 0));
  if (!keep) box.scrollTop = 0;
  for (const [i, tile] of drawn) {
    if (i < list.length) fill(tile, i);
    else {
      release(tile);
      drawn.delete(i);
    }
  }
  measure();
}

function fill(tile, i) {
  tile.setAttribute("aria-setsize", pictures.length);
  if (tile.row !== pictures[i]) {
    tile.row = pictures[i];
    fillTile(tile, tile.row);
    tile.isLoaded = false;
  }
  if (tile.isLoaded || fast) return;
  loadThumbnail(tile, thumbnailUrl(tile.row));
  tile.isLoaded = true;
}

export function setTileSize(pixels) {
  size = pixels;
  measure();
  reveal(cursor);
}

function measure() {
  const width = rows.clientWidth;
  if (!width) return;
  columns = Math.max(width < 500 ? 2 : 1, Math.floor((width + GAP) / (size + GAP)));
  const tileWidth = (width - GAP * (columns - 1)) / columns;
  rowHeight = Math.round(tileWidth + TEXT_HEIGHT + GAP);
  rows.style.height = `${Math.ceil(pictures.length / columns) * rowHeight}px`;
  rows.style.setProperty("--tile", `${tileWidth}px`);
  for (const [i, tile] of drawn) put(tile, i, tileWidth);
  draw();
}

function put(tile, i, tileWidth) {
  const left = (i % columns) * (tileWidth + GAP);
  tile.style.transform = `translate(${left}px, ${Math.floor(i / columns) * rowHeight}px)`;
}

function draw() {
  waiting = 0;
  const first = Math.max(0, (Math.floor(box.scrollTop / rowHeight) - SPARE_ROWS) * columns);
  const end = Math.min(pictures.length, (Math.ceil((box.scrollTop + box.clientHeight) / rowHeight) + SPARE_ROWS) * columns);
  for (const [i, tile] of drawn) {
    if (i < first || i >= end) {
      release(tile);
      drawn.delete(i);
    }
  }
  const tileWidth = parseFloat(rows.style.getPropertyValue("--tile"));
  for (let i = first; i < end; i += 1) if (!drawn.has(i)) drawTile(i, tileWidth);
  mark();
}

function drawTile(i, tileWidth) {
  const tile = free.pop() ?? rows.appendChild(makeTile());
  tile.hidden = false;
  tile.id = `tile-${i}`;
  tile.dataset.position = i;
  tile.setAttribute("aria-posinset", i + 1);
  fill(tile, i);
  put(tile, i, tileWidth);
  drawn.set(i, tile);
}

function release(tile) {
  tile.hidden = true;
  tile.row = null;
  tile.isLoaded = false;
  tile.removeAttribute("id");
  tile.querySelector("img").removeAttribute("src"); // what is still loading is not wanted any more
  free.push(tile);
}

function mark() {
  for (const [i, tile] of drawn) {
    tile.setAttribute("aria-selected", String(isSelected(pictures[i].id)));
    tile.classList.toggle("cursor", i === cursor);
  }
  if (drawn.has(cursor)) box.setAttribute("aria-activedescendant", `tile-${cursor}`);
  else box.removeAttribute("aria-activedescendant");
}

const rest = debounced(REST_MS, () => {
  fast = false;
  for (const [i, tile] of drawn) fill(tile, i);
});

function redraw() {
  const now = performance.now();
  fast = Math.abs(box.scrollTop - last.top) > FAST * (now - last.time);
  last = { top: box.scrollTop, time: now };
  waiting ||= requestAnimationFrame(draw);
  rest();
}

function reveal(i) {
  const top = Math.floor(i / columns) * rowHeight;
  if (top < box.scrollTop) box.scrollTop = top;
  else if (top + rowHeight > box.scrollTop + box.clientHeight) box.scrollTop = top + rowHeight - box.clientHeight;
  draw();
}

export function moveTo(i, { extend = false } = {}) {
  if (!pictures.length) return;
  cursor = Math.max(0, Math.min(pictures.length - 1, i));
  if (extend) selectOnly(between(anchor, cursor));
  else anchor = cursor;
  reveal(cursor);
  announce(drawn.get(cursor)?.getAttribute("aria-label") ?? "");
}

export function moveToId(id) {
  if (place.has(id)) moveTo(place.get(id));
}

const between = (a, b) => pictures.slice(Math.min(a, b), Math.max(a, b) + 1).map((row) => row.id);

export const moves = {
  left: () => cursor - 1, right: () => cursor + 1, up: () => cursor - columns, down: () => cursor + columns,
  start: () => 0, end: () => pictures.length - 1,
  pageUp: () => cursor - columns * Math.max(1, Math.floor(box.clientHeight / rowHeight)),
  pageDown: () => cursor + columns * Math.max(1, Math.floor(box.clientHeight / rowHeight)),
};

export function toggleCursor() {
  if (!pictures.length) return;
  anchor = cursor;
  toggle(pictures[cursor].id);
}

export function startGrid(open) {
  openPicture = open;
  box.addEventListener("scroll", redraw, { passive: true });
  box.addEventListener("click", click);
  box.addEventListener("dblclick", (event) => {
    const tile = event.target.closest(".tile");
    if (tile) openPicture(pictures[Number(tile.dataset.position)].id);
  });
  selection.addEventListener("change", mark);
  new ResizeObserver(measure).observe(box);
}

function click(event) {
  const tile = event.target.closest(".tile");
  if (!tile) return;
  const i = Number(tile.dataset.position);
  const { id } = pictures[i];
  box.focus({ preventScroll: true });
  if (event.shiftKey) {
    cursor = i;
    (event.ctrlKey || event.metaKey ? selectMore : selectOnly)(between(anchor, i));
  } else {
    cursor = i;
    anchor = i;
    if (event.ctrlKey || event.metaKey || event.target.closest(".check")) toggle(id);
    else selectOnly([id]);
  }
  mark();
}

export const focusGrid = () => box.focus({ preventScroll: true });
export const emptyText = (text) => {
  const line = document.getElementById("nothing");
  line.hidden = !text;
  line.replaceChildren(el("span", {}, text));
};
