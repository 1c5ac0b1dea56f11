// One picture, large, with everything that is known of it and can be done to it.

import { maskUrl, getPicture, pictureUrl, sourceUrl, pendingWrites } from "./api.js";
import { asideOrBack, moveToConcept, removeMask, saveMask, transform } from "./actions.js";
import { CropTool, endCrop } from "./crop.js";
import { button, el } from "./dom.js";
import { moveToId, neighbour } from "./grid.js";
import { setPlace } from "./keys.js";
import { endMask, MaskTool } from "./mask.js";
import { fail, notice } from "./notices.js";
import { Panel } from "./panel.js";
import { loadImage, PLAIN, Stage } from "./stage.js";
import { fileName, quietly, state, store } from "./store.js";

const view = document.getElementById("picture-view");
const canvas = el("canvas", { class: "stage", role: "img", tabindex: "0" });
const stage = new Stage(canvas);
const tools = el("div", { class: "tools" });
const message = el("p", { class: "stage-message", hidden: true });
const panel = new Panel();
let id = null;
let shownUrl = "";
let closed = () => {};

export const openId = () => id;
const row = () => state.pictures.get(id);
const planned = () => row()?.transform && !row().transform_done;
const plan = () => ({ ...PLAIN, ...(planned() ? row().transform : {}) });

export function startPicture(afterClose) {
  closed = afterClose;
  view.append(
    el("div", { class: "canvas" }, tools, canvas, message, toolBar()),
    panel.node,
  );
  canvas.addEventListener("contextmenu", (event) => { if (stage.tool) event.preventDefault(); });
  store.addEventListener("change", ({ detail }) => {
    if (id && (detail === null || detail.has(id))) update();
  });
}

function toolBar() {
  const tip = (text, run, label, key, need) =>
    button(text, run, { "aria-label": label, title: `${label} (${key})`, ...(need && { "data-need": need }) });
  return el("div", { class: "buttons", role: "toolbar", "aria-label": "Picture" },
    tip("‹", () => step(-1), "Previous picture", "←"), tip("›", () => step(1), "Next picture", "→"),
    tip("−", () => stage.zoomOut(), "Smaller", "-"), tip("Fit", () => stage.fit(), "Fit the window", "0"),
    tip("1:1", () => stage.actualSize(), "Actual pixels", "1"), tip("+", () => stage.zoomIn(), "Larger", "+"),
    tip("⟲", () => turn(-90), "Turn left", "R", "transform"), tip("⟳", () => turn(90), "Turn right", "r", "transform"), tip("⇋", flip, "Mirror", "h", "transform"),
    tip("Crop", crop, "Crop", "c", "transform"),
    tip("Mask", mask, "Paint the mask", "m", "mask"),
    tip("Close", closePicture, "Back to the grid", "Esc"));
}

export async function openPicture(next) {
  if (!state.pictures.has(next)) return;
  await leave();
  id = next;
  document.getElementById("grid-view").hidden = true;
  view.hidden = false;
  setPlace("picture");
  shownUrl = "";
  panel.clear();
  canvas.focus({ preventScroll: true });
  moveToId(id);
  await update();
}

// Ends tools and saves what is typed.
async function leave() {
  endCrop();
  await endMask();
  panel.flush();
}

export async function closePicture() {
  await leave();
  id = null;
  stage.clear();
  view.hidden = true;
  document.getElementById("grid-view").hidden = false;
  setPlace("grid");
  closed();
}

export function step(by) {
  const next = neighbour(id, by);
  if (next) openPicture(next);
  else notice(by > 0 ? "This is the last picture." : "This is the first picture.", { kind: "warn" });
}

async function update() {
  if (!row()) return closePicture();
  const wanted = id;
  canvas.setAttribute("aria-label", `Picture ${fileName(row())}`);
  await Promise.all([quietly(showImage), quietly(async () => {
    const detail = await getPicture(wanted);
    if (wanted === id && !pendingWrites()) panel.show(detail);
  })]);
  return undefined;
}

async function showImage() {
  if (stage.tool) return;
  const url = (planned() ? sourceUrl : pictureUrl)(row());
  const wanted = `${url} ${JSON.stringify(plan())}`;
  if (wanted === shownUrl) return;
  shownUrl = wanted;
  await load(url, (image) => {
    if (wanted === shownUrl) stage.show(image, plan());
  });
}

async function load(url, show) {
  try {
    const image = await loadImage(url);
    message.hidden = true;
    show(image);
  } catch {
    stage.clear();
    message.textContent = "The picture cannot be shown.";
    message.hidden = false;
  }
}

function change(part) {
  const { crop, rotate, flip: mirror } = { ...PLAIN, ...row().transform, ...part };
  return transform(id, { crop, rotate, flip: mirror });
}

// The frame turns with what one sees. A mirror comes after the turn, so behind it the picture turns the other way round.
export function turn(degrees) {
  if (stage.tool) return;
  const { crop: frame, rotate, flip: mirror } = { ...PLAIN, ...row().transform };
  const turned = frame && (([left, top, width, height]) =>
    (degrees > 0 ? [1 - top - height, left, height, width] : [top, 1 - left - width, height, width]))(frame);
  change({ crop: turned, rotate: (rotate + (mirror ? -degrees : degrees) + 360) % 360 });
}

export function flip() {
  if (stage.tool) return;
  const { crop: frame, flip: mirror } = { ...PLAIN, ...row().transform };
  change({ crop: frame && [1 - frame[0] - frame[2], frame[1], frame[2], frame[3]], flip: !mirror });
}

export async function crop() {
  if (stage.tool || row().aside !== null) return;
  const current = { ...PLAIN, ...row().transform };
  await load(sourceUrl(row()), (image) => {
    stage.show(image, current);
    tools.replaceChildren(new CropTool(stage, current, (frame) => {
      endTool();
      if (frame !== undefined) change({ crop: frame });
    }).node);
  });
}

export async function mask() {
  if (stage.tool || row().aside !== null) return;
  const wanted = id;
  await load(pictureUrl(row()), async (image) => {
    const old = row().mask ? await loadImage(maskUrl(row())).catch(() => null) : null;
    if (wanted !== id) return;
    stage.show(image, PLAIN);
    tools.replaceChildren(new MaskTool(stage, old, (what, blob) => {
      endTool();
      if (what === "save") saveMask(wanted, blob);
      if (what === "remove") removeMask(wanted);
    }).node);
  });
}

function endTool() {
  setPlace("picture");
  shownUrl = "";
  if (id) quietly(showImage).catch(fail);
}

export const zoom = { in: () => stage.zoomIn(), out: () => stage.zoomOut(), fit: () => stage.fit(), actual: () => stage.actualSize(),
  pan: (x, y) => stage.pan(x, y) };
export const pictureActions = {
  aside: () => asideOrBack([id]), concept: () => moveToConcept([id]), addTag: () => panel.focusTags(), chips: () => panel.focusChips(),
  sentence: () => panel.focusSentence(),
};
