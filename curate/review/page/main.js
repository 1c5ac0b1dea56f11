// Starts the page: loads the index, joins filter and grid, and says what the keys and buttons do.

import { acceptAndContinue, asideOrBack, bringBack, moveToConcept, setAside, undo } from "./actions.js";
import { reportUrl } from "./api.js";
import { openBulk } from "./bulk.js";
import { button, counted, el } from "./dom.js";
import { format, parse, shown } from "./filter_match.js";
import { currentFilter, focusSearch, focusTagFilter, showFilter, startFilters, toggleFilters } from "./filters.js";
import * as grid from "./grid.js";
import { bind, showHelp } from "./keys.js";
import { announce } from "./notices.js";
import * as picture from "./picture.js";
import { clearSelection, selectedCount, selectedIds, selection, selectOnly } from "./selection.js";
import { openStatistics } from "./statistics.js";
import { load, quietly, state, store, watch } from "./store.js";

const byId = (id) => document.getElementById(id);
const PAN = 60; // pixels on the screen
const RETRY_MS = 2000;
let selectionSaid = "";

// What the filter hides is left alone, selected or not.
const selectedInSight = () => selectedIds().filter(grid.isShown);
// The selected pictures, or the one under the cursor.
const chosen = () => (selectedInSight().length ? selectedInSight() : [grid.cursorId()].filter(Boolean));
// The selected pictures, or all that the filter shows.
const many = () => (selectedInSight().length ? selectedInSight() : grid.shownIds());

function showGrid({ keep = false } = {}) {
  const rows = shown(currentFilter());
  grid.showPictures(rows, { keep });
  const all = state.pictures.size;
  byId("count").textContent = rows.length === all ? counted(all, "picture") : `${rows.length.toLocaleString("en")} of ${counted(all, "picture")}`;
  grid.emptyText(rows.length ? "" : whyEmpty(all));
  showReport();
  byId("folder").textContent = state.folder || "curate review";
  document.title = `${state.folder} – curate review`;
  if (selectedCount()) showSelection();
  byId("continue").hidden = !state.waiting;
  showMessages();
}

function whyEmpty(all) {
  if (!all) return "There are no pictures in this folder.";
  return currentFilter().check && state.can_check && !state.checks ? "Checking …" : "No picture matches the filter.";
}

function showReport() {
  byId("open-report").hidden = !state.report;
  byId("open-report").href = reportUrl();
}

// What the server could not read.
function showMessages() {
  const box = byId("messages");
  box.hidden = !state.messages.length;
  box.replaceChildren(
    el("summary", {}, `${counted(state.messages.length, "problem")} with files of this folder`),
    el("ul", {}, state.messages.map((text) => el("li", {}, text))));
}

function showSelection() {
  const count = selectedCount();
  const inSight = selectedInSight();
  const hidden = count - inSight.length;
  const bar = byId("selection");
  bar.hidden = !count;
  const off = { disabled: hidden === count };
  const none = (is) => ({ "data-need": "aside", disabled: !inSight.some((id) => is(state.pictures.get(id).aside)) });
  const text = `${counted(count, "picture")} selected${hidden ? ` (${hidden.toLocaleString("en")} hidden by the filter: left alone)` : ""}`;
  bar.replaceChildren(
    el("span", {}, text),
    button("Edit tags", () => openBulk(selectedInSight()), off), button("Set aside", () => setAside(selectedInSight()), none((aside) => aside === null)),
    button("Bring back", () => bringBack(selectedInSight()), none((aside) => aside !== null)),
    button("Another concept", () => moveToConcept(selectedInSight()), { "data-need": "concept", ...off }),
    button("Clear", clearSelection, { class: "quiet" }));
  if (text !== selectionSaid) announce(count ? text : "Nothing selected");
  selectionSaid = count ? text : "";
}

// The address holds the filter and the open picture: reloading, "back" and links from the report work.
function keepAddress({ push = false } = {}) {
  const fragment = `#${format(currentFilter(), picture.openId() ?? "")}`;
  if (fragment === (location.hash || "#")) return;
  history[push ? "pushState" : "replaceState"](null, "", `${location.pathname}${location.search}${fragment}`);
}

async function followAddress() {
  showFilter(parse(location.hash));
  showGrid();
  const id = new URLSearchParams(location.hash.slice(1)).get("id");
  if (id && id !== picture.openId()) await picture.openPicture(id);
  else if (!id && picture.openId()) await picture.closePicture();
}

async function open(id = grid.cursorId()) {
  if (!id) return;
  await picture.openPicture(id);
  keepAddress({ push: true });
}

async function step(by) {
  await picture.step(by);
  keepAddress();
}

function bindKeys() {
  bind("all", "?", "this page", showHelp);
  bind("all", ["u", "Ctrl+z"], "undo the last change", undo);
  bind("all", "/", "search", () => toGrid(focusSearch));
  bind("all", "t", "tags of the whole folder", openStatistics);
  bind("all", "Escape", "leave a field", null);
  bind("grid", "Arrows", "go to another picture", null);
  for (const [key, move] of Object.entries({ ArrowLeft: "left", ArrowRight: "right", ArrowUp: "up", ArrowDown: "down", Home: "start",
    End: "end", PageUp: "pageUp", PageDown: "pageDown" })) {
    bind("grid", key, "", () => grid.moveTo(grid.moves[move]()));
    bind("grid", `Shift+${key}`, "", () => grid.moveTo(grid.moves[move](), { extend: true }));
  }
  bind("grid", ["Home", "End", "PageUp", "PageDown"], "first, last, one screen", null);
  bind("grid", "Shift+Arrows", "select up to there", null);
  bind("grid", " ", "select or unselect", grid.toggleCursor);
  bind("grid", "Ctrl+a", "select all that the filter shows", () => selectOnly(grid.shownIds()));
  bind("grid", "Escape", "select nothing", () => { toggleFilters(false); clearSelection(); grid.focusGrid(); });
  bind("grid", "Enter", "open the picture", () => open());
  bind("grid", "b", "edit the tags of the selected pictures, or of all that are shown", () => openBulk(many()));
  bind("grid", ["x", "Delete"], "set aside, or bring back", () => asideOrBack(chosen()), "aside");
  bind("grid", "o", "move to another concept", () => moveToConcept(chosen()), "concept");
  bind("grid", "f", "filter by a tag", focusTagFilter);
  bind("grid", ["+", "-"], "larger, smaller tiles", (event) => resizeTiles(event.key === "+" ? 30 : -30));
  bindPictureKeys();
}

function bindPictureKeys() {
  const { zoom, pictureActions: actions } = picture;
  bind("picture", ["ArrowLeft", "k"], "previous picture", () => step(-1));
  bind("picture", ["ArrowRight", "j"], "next picture", () => step(1));
  bind("picture", "Escape", "back to the grid", picture.closePicture);
  bind("picture", "a", "add a tag", actions.addTag);
  bind("picture", "g", "go to the tags", actions.chips);
  bind("picture", "s", "write the sentence", actions.sentence);
  bind("picture", ["x", "Delete"], "set aside, or bring back", actions.aside, "aside");
  bind("picture", "o", "move to another concept", actions.concept, "concept");
  bind("picture", "r", "turn right", () => picture.turn(90), "transform");
  bind("picture", "R", "turn left", () => picture.turn(-90), "transform");
  bind("picture", "h", "mirror", picture.flip, "transform");
  bind("picture", "c", "crop", picture.crop, "transform");
  bind("picture", "m", "paint the mask", picture.mask, "mask");
  bind("picture", "+", "larger", zoom.in);
  bind("picture", "-", "smaller", zoom.out);
  bind("picture", "0", "fit the window", zoom.fit);
  bind("picture", "1", "actual pixels", zoom.actual);
  for (const [key, x, y] of [["Left", PAN, 0], ["Right", -PAN, 0], ["Up", 0, PAN], ["Down", 0, -PAN]]) {
    bind("picture", `Shift+Arrow${key}`, "", () => zoom.pan(x, y));
  }
  bind("picture", "Shift+Arrows", "move the picture", null);
}

async function toGrid(then) {
  if (picture.openId()) await picture.closePicture();
  then();
}

function resizeTiles(by) {
  const slider = byId("tile");
  slider.value = Number(slider.value) + by;
  grid.setTileSize(Number(slider.value));
}

function bindButtons() {
  byId("continue").addEventListener("click", () => toGrid(acceptAndContinue));
  byId("undo").addEventListener("click", undo);
  byId("open-statistics").addEventListener("click", openStatistics);
  byId("open-help").addEventListener("click", showHelp);
  byId("open-report").addEventListener("click", showReport); // with the token of now
  byId("tile").addEventListener("input", () => grid.setTileSize(Number(byId("tile").value)));
  window.addEventListener("hashchange", followAddress);
}

async function loaded() {
  let done = false;
  await quietly(async () => {
    await load();
    done = true;
  });
  return done;
}

async function start() {
  startFilters(parse(location.hash), () => {
    showGrid();
    keepAddress();
  });
  grid.startGrid(open);
  picture.startPicture(() => {
    keepAddress();
    grid.focusGrid();
  });
  selection.addEventListener("change", showSelection);
  bindKeys();
  bindButtons();
  while (!(await loaded())) await new Promise((resolve) => { setTimeout(resolve, RETRY_MS); });
  store.addEventListener("change", () => showGrid({ keep: true }));
  await followAddress();
  grid.focusGrid();
  watch();
}

start();
