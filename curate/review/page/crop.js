// The crop tool: a frame on the picture, free or with a fixed ratio, moved by pointer or keys. It works in fractions 0..1.

import { button, el, labelled, select } from "./dom.js";
import { bind, setPlace } from "./keys.js";
import { layout } from "./stage.js";

const RATIOS = [
  ["free", "free"], ["same", "as the picture"], ["1:1", "1:1"], ["2:3", "2:3"], ["3:2", "3:2"], ["3:4", "3:4"], ["4:3", "4:3"],
  ["4:5", "4:5"], ["5:4", "5:4"], ["9:16", "9:16"], ["16:9", "16:9"],
];
const LEAST = 0.02; // smallest side of the frame, as a fraction of the picture's
const STEP = 0.01;
const HANDLE = 14; // pixels on the screen
const clamp = (value, low, high) => Math.max(low, Math.min(high, value));
let tool = null;

export class CropTool {
  // `done` gets the frame as fractions of the turned and mirrored picture, null for all of it, undefined where nothing shall change
  constructor(stage, plan, done) {
    Object.assign(this, { stage, done, ratio: "free", grip: null });
    stage.plan = { ...plan, crop: null };
    stage.tool = this;
    this.frame = plan.crop ? [...plan.crop] : [0, 0, 1, 1];
    const { width, height } = layout(stage.image, stage.plan);
    this.size = [width, height];
    stage.fit();
    tool = this;
    setPlace("crop");
    this.label = el("output", { class: "facts" });
    this.choice = select(RATIOS, "free", (value) => this.setRatio(value));
    this.node = el("div", { class: "tool-bar", role: "toolbar", "aria-label": "Crop" },
      labelled("Ratio", this.choice), this.label,
      button("Whole picture", () => { this.frame = [0, 0, 1, 1]; this.setRatio("free"); }),
      button("Crop", () => this.apply(), { class: "primary" }), button("Cancel", () => this.end(undefined), { class: "quiet" }));
    this.show();
  }

  // width / height of the frame in fractions, or null
  get shape() {
    if (this.ratio === "free") return null;
    if (this.ratio === "same") return 1;
    const [a, b] = this.ratio.split(":").map(Number);
    return ((a / b) * this.size[1]) / this.size[0];
  }

  setRatio(ratio) {
    this.ratio = ratio;
    this.choice.value = ratio;
    if (this.shape) {
      const [left, top, width, height] = this.frame;
      const wide = Math.min(width, height * this.shape);
      this.frame = [left + (width - wide) / 2, top + (height - wide / this.shape) / 2, wide, wide / this.shape];
    }
    this.show();
  }

  show() {
    const [, , width, height] = this.frame;
    this.label.textContent = `${Math.round(width * this.size[0])} × ${Math.round(height * this.size[1])} pixels`;
    this.stage.redraw();
  }

  draw(context, stage) {
    const [width, height] = this.size;
    const [x, y, w, h] = [this.frame[0] * width, this.frame[1] * height, this.frame[2] * width, this.frame[3] * height];
    context.fillStyle = "#000a";
    context.beginPath();
    context.rect(0, 0, width, height);
    context.rect(x, y, w, h);
    context.fill("evenodd");
    const line = 1 / stage.scale;
    for (const [color, thick] of [["#000", 3], ["#fff", 1.5]]) {
      context.strokeStyle = color;
      context.lineWidth = thick * line;
      context.strokeRect(x, y, w, h);
    }
    context.fillStyle = "#fff";
    const half = 4 * line;
    for (const [a, b] of [[0, 0], [0.5, 0], [1, 0], [0, 0.5], [1, 0.5], [0, 1], [0.5, 1], [1, 1]]) {
      context.fillRect(x + a * w - half, y + b * h - half, 2 * half, 2 * half);
    }
  }

  down([x, y]) {
    const [u, v] = [x / this.size[0], y / this.size[1]];
    const near = [HANDLE / this.stage.scale / this.size[0], HANDLE / this.stage.scale / this.size[1]];
    const [left, top, width, height] = this.frame;
    const side = (value, low, high, reach) => (Math.abs(value - low) < reach ? -1 : Number(Math.abs(value - high) < reach));
    const grip = [side(u, left, left + width, near[0]), side(v, top, top + height, near[1])];
    const inside = u > left && u < left + width && v > top && v < top + height;
    if (!inside && !grip[0] && !grip[1]) {
      this.frame = [clamp(u, 0, 1 - LEAST), clamp(v, 0, 1 - LEAST), LEAST, LEAST];
      grip.fill(1);
    }
    this.grip = { sides: grip, start: [u, v], frame: [...this.frame] };
  }

  move([x, y]) {
    if (!this.grip) return;
    const { sides, start, frame } = this.grip;
    const [dx, dy] = [x / this.size[0] - start[0], y / this.size[1] - start[1]];
    if (sides[0] || sides[1]) this.resize(frame, sides, dx, dy);
    else this.frame = [clamp(frame[0] + dx, 0, 1 - frame[2]), clamp(frame[1] + dy, 0, 1 - frame[3]), frame[2], frame[3]];
    this.show();
  }

  up() {
    this.grip = null;
  }

  // Moves the sides that are held; the opposite corner stays.
  resize([left, top, width, height], [h, v], dx, dy) {
    const fixed = [h < 0 ? left + width : left, v < 0 ? top + height : top];
    const room = [h < 0 ? fixed[0] : 1 - fixed[0], v < 0 ? fixed[1] : 1 - fixed[1]];
    let wide = clamp(width + h * dx, LEAST, room[0]);
    let high = clamp(height + v * dy, LEAST, room[1]);
    if (this.shape) {
      if (!h) wide = high * this.shape;
      wide = Math.min(wide, room[0], room[1] * this.shape);
      high = wide / this.shape;
    }
    this.frame = [h < 0 ? fixed[0] - wide : fixed[0], v < 0 ? fixed[1] - high : fixed[1], wide, high];
  }

  nudge(dx, dy, grow) {
    const [left, top, width, height] = this.frame;
    if (grow) this.resize(this.frame, [dx ? 1 : 0, dy ? 1 : 0], dx, dy);
    else this.frame = [clamp(left + dx, 0, 1 - width), clamp(top + dy, 0, 1 - height), width, height];
    this.show();
  }

  apply() {
    const whole = this.frame[2] > 0.999 && this.frame[3] > 0.999;
    const frame = this.frame.map((value) => Number(clamp(value, 0, 1).toFixed(6)));
    this.end(whole ? null : frame);
  }

  end(result) {
    this.stage.tool = null;
    tool = null;
    this.node.remove();
    this.done(result);
  }
}

export const endCrop = () => tool?.end(undefined);

bind("crop", "Arrows", "move the frame", null);
bind("crop", "Shift+Arrows", "change its size", null);
for (const [key, dx, dy] of [["Left", -STEP, 0], ["Right", STEP, 0], ["Up", 0, -STEP], ["Down", 0, STEP]]) {
  bind("crop", `Arrow${key}`, "", () => tool.nudge(dx, dy, false));
  bind("crop", `Shift+Arrow${key}`, "", () => tool.nudge(dx, dy, true));
}
bind("crop", "r", "next ratio", () => {
  const names = RATIOS.map(([value]) => value);
  tool.setRatio(names[(names.indexOf(tool.ratio) + 1) % names.length]);
});
bind("crop", "Enter", "crop", () => tool.apply());
bind("crop", "Escape", "cancel", () => tool.end(undefined));
