// The mask brush: what is painted red is left out of training. White in the saved file means "train here".

import { button, el, labelled, select } from "./dom.js";
import { bind, setPlace } from "./keys.js";
import { notice } from "./notices.js";

const LEAST = 2;
const MOST = 400;
let tool = null;

function surface([width, height]) {
  const canvas = el("canvas");
  canvas.width = width;
  canvas.height = height;
  return canvas;
}

// The mask as red where its picture is dark.
function fromPicture(image, size) {
  const canvas = surface(size);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0, ...size);
  const pixels = context.getImageData(0, 0, ...size);
  for (let i = 0; i < pixels.data.length; i += 4) {
    const light = pixels.data[i];
    pixels.data.set([255, 0, 0, 255 - light], i);
  }
  context.putImageData(pixels, 0, 0);
  return canvas;
}

export class MaskTool {
  // `old` is the mask there is, or null; `done` gets "save" and a PNG, "remove", or "cancel"
  constructor(stage, old, done) {
    Object.assign(this, { stage, done, mode: "out", brush: 40, steps: [], stroke: null, cursor: stage.extent.map((side) => side / 2) });
    this.size = stage.extent.map(Math.round);
    this.base = old ? fromPicture(old, this.size) : surface(this.size);
    this.canvas = surface(this.size);
    this.brush = Math.max(LEAST, Math.round(Math.min(...this.size) / 12));
    stage.tool = this;
    tool = this;
    setPlace("mask");
    this.node = this.bar(Boolean(old));
    this.replay();
  }

  bar(existing) {
    this.choice = select([["out", "leave out"], ["in", "train here"]], this.mode, (value) => { this.mode = value; });
    this.slider = el("input", { type: "range", min: LEAST, max: MOST, value: this.brush, on: { input: () => this.setBrush(Number(this.slider.value)) } });
    return el("div", { class: "tool-bar", role: "toolbar", "aria-label": "Mask" },
      labelled("Brush", this.choice), labelled("Size", this.slider),
      button("Train all", () => this.step({ fill: "in" })), button("Leave all out", () => this.step({ fill: "out" })),
      button("Invert", () => this.step({ fill: "invert" })), button("Undo stroke", () => this.back()),
      existing && button("Remove mask", () => this.end("remove")),
      button("Save mask", () => this.save(), { class: "primary" }), button("Cancel", () => this.cancel(), { class: "quiet" }));
  }

  setBrush(pixels) {
    this.brush = Math.max(LEAST, Math.min(MOST, Math.round(pixels)));
    this.slider.value = this.brush;
    this.stage.redraw();
  }

  setMode(mode) {
    this.mode = mode;
    this.choice.value = mode;
  }

  step(step) {
    this.warned = false;
    this.steps.push(step);
    this.apply(step);
    this.stage.redraw();
  }

  back() {
    this.steps.pop();
    this.replay();
  }

  replay() {
    const context = this.canvas.getContext("2d");
    context.globalCompositeOperation = "copy";
    context.drawImage(this.base, 0, 0);
    this.steps.forEach((step) => this.apply(step));
    this.stage.redraw();
  }

  apply(step) {
    const context = this.canvas.getContext("2d");
    context.fillStyle = "#f00";
    context.strokeStyle = "#f00";
    if (step.fill) {
      context.globalCompositeOperation = { in: "destination-out", out: "source-over", invert: "source-out" }[step.fill];
      context.fillRect(0, 0, ...this.size);
      return;
    }
    context.globalCompositeOperation = step.mode === "out" ? "source-over" : "destination-out";
    this.line(context, step, step.points);
  }

  line(context, { brush }, points) {
    Object.assign(context, { lineWidth: brush, lineCap: "round", lineJoin: "round" });
    context.beginPath();
    context.moveTo(...points[0]);
    points.forEach((point) => context.lineTo(...point));
    context.stroke();
  }

  down(point, event) {
    this.stroke = { mode: event?.buttons === 2 ? "in" : this.mode, brush: this.brush, points: [point] };
    this.move(point);
  }

  move(point) {
    this.cursor = point;
    if (this.stroke) {
      const last = this.stroke.points.at(-1);
      this.stroke.points.push(point);
      this.apply({ ...this.stroke, points: [last, point] });
    }
    this.stage.redraw();
  }

  up() {
    if (this.stroke) this.steps.push(this.stroke);
    this.stroke = null;
  }

  // by keys: moves the brush, and paints while it moves if `paint`
  nudge(dx, dy, paint) {
    const step = Math.max(2, this.brush / 2);
    const point = this.cursor.map((value, i) => Math.max(0, Math.min(this.size[i], value + [dx, dy][i] * step)));
    if (paint) this.step({ mode: this.mode, brush: this.brush, points: [this.cursor, point] });
    this.cursor = point;
    this.stage.redraw();
  }

  draw(context, stage) {
    context.globalAlpha = 0.55;
    context.drawImage(this.canvas, 0, 0);
    context.globalAlpha = 1;
    for (const [color, offset] of [["#000", 0], ["#fff", 1.5 / stage.scale]]) {
      context.strokeStyle = color;
      context.lineWidth = 1.5 / stage.scale;
      context.beginPath();
      context.arc(...this.cursor, this.brush / 2 + offset, 0, 2 * Math.PI);
      context.stroke();
    }
  }

  async save() {
    const paper = surface(this.size);
    const context = paper.getContext("2d");
    context.drawImage(this.canvas, 0, 0);
    context.globalCompositeOperation = "source-in";
    context.fillRect(0, 0, ...this.size); // black where the mask is red
    context.globalCompositeOperation = "destination-over";
    context.fillStyle = "#fff";
    context.fillRect(0, 0, ...this.size);
    const blob = await new Promise((resolve) => { paper.toBlob(resolve, "image/png"); });
    this.end("save", blob);
  }

  // Strokes are not thrown away by one key.
  cancel() {
    if (this.steps.length && !this.warned) {
      this.warned = true;
      notice("Press Esc once more to drop what you painted.", { kind: "warn" });
    } else {
      this.end("cancel");
    }
  }

  end(what, blob = null) {
    this.stage.tool = null;
    tool = null;
    this.node.remove();
    this.done(what, blob);
  }
}

// When the person goes on to another picture: strokes are work, so they are saved.
export const endMask = () => (tool?.steps.length ? tool.save() : tool?.end("cancel"));

bind("mask", "Arrows", "move the brush", null);
bind("mask", "Shift+Arrows", "paint", null);
for (const [key, dx, dy] of [["Left", -1, 0], ["Right", 1, 0], ["Up", 0, -1], ["Down", 0, 1]]) {
  bind("mask", `Arrow${key}`, "", () => tool.nudge(dx, dy, false));
  bind("mask", `Shift+Arrow${key}`, "", () => tool.nudge(dx, dy, true));
}
bind("mask", " ", "paint one dot", () => tool.nudge(0, 0, true));
bind("mask", "e", "leave out, or train here", () => tool.setMode(tool.mode === "out" ? "in" : "out"));
bind("mask", "[", "smaller brush", () => tool.setBrush(tool.brush / 1.25));
bind("mask", "]", "larger brush", () => tool.setBrush(tool.brush * 1.25 + 1));
bind("mask", "i", "invert", () => tool.step({ fill: "invert" }));
bind("mask", ["z", "Ctrl+z"], "undo one stroke", () => tool.back());
bind("mask", "Enter", "save the mask", () => tool.save());
bind("mask", "Escape", "cancel", () => tool.cancel());
