// The large picture on a canvas: turned, mirrored and cropped as planned, with zoom and pan; tools draw on top of it.

const ZOOM_STEP = 1.25;
const MARGIN = 12;
export const PLAIN = Object.freeze({ crop: null, rotate: 0, flip: false });

// Width and height of the whole picture after the turn, and the box [left, top, width, height] of it that is shown
export function layout(image, { crop, rotate }) {
  const [width, height] = rotate % 180 ? [image.naturalHeight, image.naturalWidth] : [image.naturalWidth, image.naturalHeight];
  const box = crop ? [crop[0] * width, crop[1] * height, crop[2] * width, crop[3] * height] : [0, 0, width, height];
  return { width, height, box };
}

// Draws the picture in its own pixels: turned, then mirrored, then cropped.
function paint(context, image, plan) {
  const { width, height, box } = layout(image, plan);
  context.beginPath();
  context.rect(0, 0, box[2], box[3]);
  context.clip();
  context.translate(-box[0], -box[1]);
  if (plan.flip) {
    context.translate(width, 0);
    context.scale(-1, 1);
  }
  const corner = { 90: [width, 0], 180: [width, height], 270: [0, height] }[plan.rotate];
  if (corner) context.translate(...corner);
  context.rotate((plan.rotate * Math.PI) / 180);
  context.drawImage(image, 0, 0);
}

export class Stage {
  constructor(canvas) {
    this.canvas = canvas;
    this.image = null;
    this.plan = PLAIN;
    this.tool = null; // { draw(context, stage), down, move, up } in the picture's pixels
    this.fitted = true;
    this.pointers = new Map();
    this.waiting = 0;
    new ResizeObserver(() => this.resize()).observe(canvas);
    canvas.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    canvas.addEventListener("dblclick", () => { if (!this.tool) (this.fitted ? this.actualSize() : this.fit()); });
    for (const kind of ["down", "move", "up", "cancel"]) canvas.addEventListener(`pointer${kind}`, (event) => this.pointer(kind, event));
  }

  show(image, plan) {
    this.image = image;
    this.plan = plan;
    this.fit();
  }

  clear() {
    this.image = null;
    this.redraw();
  }

  // width and height of what is shown, in pixels of the picture
  get extent() {
    const { box } = layout(this.image, this.plan);
    return [box[2], box[3]];
  }

  fit() {
    this.fitted = true;
    if (this.image) {
      const [width, height] = this.extent;
      const { clientWidth, clientHeight } = this.canvas;
      this.scale = Math.max(0.01, Math.min((clientWidth - 2 * MARGIN) / width, (clientHeight - 2 * MARGIN) / height));
      this.left = (clientWidth - width * this.scale) / 2;
      this.top = (clientHeight - height * this.scale) / 2;
    }
    this.redraw();
  }

  actualSize() {
    this.zoom(1 / this.scale / devicePixelRatio);
  }

  zoom(factor, x = this.canvas.clientWidth / 2, y = this.canvas.clientHeight / 2) {
    if (!this.image) return;
    const scale = Math.max(0.02, Math.min(40, this.scale * factor));
    this.left = x - ((x - this.left) * scale) / this.scale;
    this.top = y - ((y - this.top) * scale) / this.scale;
    this.scale = scale;
    this.fitted = false;
    this.redraw();
  }

  zoomIn() { this.zoom(ZOOM_STEP); }

  zoomOut() { this.zoom(1 / ZOOM_STEP); }

  pan(x, y) {
    this.left += x;
    this.top += y;
    this.fitted = false;
    this.redraw();
  }

  wheel(event) {
    event.preventDefault();
    const { left, top } = this.canvas.getBoundingClientRect();
    this.zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.03 : 0.0015)), event.clientX - left, event.clientY - top);
  }

  // where a pointer is, in pixels of what is shown
  toPicture(event) {
    const { left, top } = this.canvas.getBoundingClientRect();
    return [(event.clientX - left - this.left) / this.scale, (event.clientY - top - this.top) / this.scale];
  }

  pointer(kind, event) {
    if (!this.image) return;
    const before = this.pointers.get(event.pointerId);
    if (kind === "down") {
      this.canvas.setPointerCapture(event.pointerId);
      this.pointers.set(event.pointerId, event);
    }
    const panning = !this.tool || event.buttons === 4 || (before?.buttons ?? event.buttons) === 4 || this.pointers.size > 1;
    if (!panning) this.tool[{ cancel: "up" }[kind] ?? kind]?.(this.toPicture(event), event);
    else if (kind === "move" && before) this.drag(before, event);
    if (kind === "move" && before) this.pointers.set(event.pointerId, event);
    if (kind === "up" || kind === "cancel") this.pointers.delete(event.pointerId);
  }

  // One pointer pans; two zoom by their distance.
  drag(before, event) {
    const other = [...this.pointers.values()].find((one) => one.pointerId !== event.pointerId);
    if (!other) return this.pan(event.clientX - before.clientX, event.clientY - before.clientY);
    const distance = (one) => Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY);
    const { left, top } = this.canvas.getBoundingClientRect();
    return this.zoom(distance(event) / Math.max(1, distance(before)), other.clientX - left, other.clientY - top);
  }

  resize() {
    const { clientWidth, clientHeight } = this.canvas;
    this.canvas.width = Math.round(clientWidth * devicePixelRatio);
    this.canvas.height = Math.round(clientHeight * devicePixelRatio);
    if (this.fitted) this.fit();
    this.draw(); // at once: a new size empties the canvas
  }

  redraw() {
    this.waiting ||= requestAnimationFrame(() => this.draw());
  }

  draw() {
    this.waiting = 0;
    const context = this.canvas.getContext("2d");
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    if (!this.image) return;
    const scale = this.scale * devicePixelRatio;
    context.setTransform(scale, 0, 0, scale, this.left * devicePixelRatio, this.top * devicePixelRatio);
    context.imageSmoothingEnabled = this.scale < 3;
    context.imageSmoothingQuality = "high";
    context.save();
    paint(context, this.image, this.plan);
    context.restore();
    this.tool?.draw(context, this);
  }
}

export async function loadImage(url) {
  const image = new Image();
  image.src = url;
  await image.decode();
  return image;
}
