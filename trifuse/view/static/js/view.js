// One canvas: a plane of what is shown, with letters, scale and bars, and what the pointer does on it.
import { blended, layers } from "./compose.js";
import { marks, onPlane, pixelOf, plane, snapped, throughAxis } from "./geometry.js";
import { scaleBar, colourBar, text, cross } from "./marks.js";
import { app, byKey, fitting, reference, selected, tell } from "./state.js";

const buffer = document.createElement("canvas");

export class View {
  // `only`: the image that this view shows alone (compare), null for what the mode shows.
  constructor(kind, only = null) {
    this.kind = kind;
    this.only = only;
    this.element = document.createElement("div");
    this.element.className = "view";
    this.element.tabIndex = 0;
    this.element.setAttribute("role", "img");
    this.canvas = document.createElement("canvas");
    this.element.append(this.canvas);
    this.plane = null;
    listen(this);
  }

  title() {
    if (this.only) return this.only.name;
    return this.kind === "picture" ? "" : this.kind;
  }

  // What is laid over what here, the first at the bottom.
  shown() {
    if (this.only) {
      const overlays = fitting().filter((image) => image.show && image.role === "mask" && image.data);
      return [this.only, ...overlays].filter((image) => image.data);
    }
    const visible = fitting().filter((image) => image.show && image.data);
    return [...visible.filter((image) => !over(image)), ...visible.filter(over)];
  }

  draw() {
    const ratio = window.devicePixelRatio || 1;
    const { clientWidth, clientHeight } = this.element;
    const width = Math.round(clientWidth * ratio);
    const height = Math.round(clientHeight * ratio);
    if (this.canvas.width !== width || this.canvas.height !== height) Object.assign(this.canvas, { width, height });
    const context = this.canvas.getContext("2d");
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.fillStyle = "#000";
    context.fillRect(0, 0, width, height);
    const grid = this.only ?? reference();
    this.plane = null;
    if (!grid?.data || !width || !height) return;
    const shown = this.shown();
    const finest = Math.min(...[grid, ...shown].flatMap((image) => image.spacing));
    this.plane = plane(this.kind, grid, app.cursor, finest);
    this.place(width, height, ratio);
    this.paint(context, grid, shown);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.annotate(context, grid, shown);
    this.element.setAttribute("aria-label", `${this.title() || "picture"}: ${shown.map((i) => i.name).join(", ")}`);
  }

  // Where the plane lies on the canvas: device pixels per pixel of the plane, and the corner.
  place(width, height, ratio) {
    const p = this.plane;
    const size = [p.width * p.pixel[0], p.height * p.pixel[1]];
    const margin = 10 * ratio;
    this.perMm = Math.min((width - 2 * margin) / size[0], (height - 2 * margin) / size[1]) * app.zoom;
    this.scale = [p.pixel[0] * this.perMm, p.pixel[1] * this.perMm];
    const centre = app.centre ? pixelOf(p, app.centre) : [(p.width - 1) / 2, (p.height - 1) / 2];
    this.corner = [width / 2 - (centre[0] + 0.5) * this.scale[0], height / 2 - (centre[1] + 0.5) * this.scale[1]];
  }

  paint(context, grid, shown) {
    const [a, b] = [byKey(app.a), byKey(app.b)];
    const pair = !this.only && a?.data && b?.data && a.space.length === app.dims && b.space.length === app.dims;
    if (pair && app.mode === "blend") {
      const overlays = shown.filter((image) => over(image) && image !== a && image !== b && image.role !== "source");
      this.put(context, blended(a, b, app.mix, overlays, this.plane, grid, app.smooth));
    } else if (pair && app.mode === "wipe") {
      const at = app.mix * this.canvas.width;
      this.put(context, layers([a], this.plane, grid, app.smooth), [0, at]);
      this.put(context, layers([b], this.plane, grid, app.smooth), [at, this.canvas.width]);
      context.fillStyle = "#7cc4ff";
      context.fillRect(at - 1, 0, 2, this.canvas.height);
    } else if (shown.length) this.put(context, layers(shown, this.plane, grid, app.smooth));
  }

  put(context, pixels, range = null) {
    Object.assign(buffer, { width: pixels.width, height: pixels.height });
    buffer.getContext("2d").putImageData(pixels, 0, 0);
    context.save();
    if (range) {
      context.beginPath();
      context.rect(range[0], 0, range[1] - range[0], this.canvas.height);
      context.clip();
    }
    context.imageSmoothingEnabled = app.smooth;
    context.imageSmoothingQuality = "high";
    context.drawImage(buffer, ...this.corner, pixels.width * this.scale[0], pixels.height * this.scale[1]);
    context.restore();
  }

  annotate(context, grid, shown) {
    const ratio = window.devicePixelRatio || 1;
    const { clientWidth: w, clientHeight: h } = this.element;
    const [left, right, top, bottom] = marks(this.plane, grid.placed);
    text(context, left, 8, h / 2, "left");
    text(context, right, w - 8, h / 2, "right");
    text(context, top, w / 2, 14, "center");
    text(context, bottom, w / 2, h - 8, "center");
    text(context, this.title(), 8, 16, "left");
    if (!this.only && app.mode !== "layers" && app.mode !== "compare" && this.kind !== "coronal" && this.kind !== "sagittal") {
      text(context, `A: ${byKey(app.a)?.name ?? ""}`, 8, h - 26, "left");
      text(context, `B: ${byKey(app.b)?.name ?? ""}`, w - 8, h - 26, "right");
    }
    if (app.cross && this.kind !== "picture") cross(context, this.toScreen(app.cursor), w, h);
    if (grid.placed || this.kind !== "picture") scaleBar(context, this.perMm / ratio, w, h);
    const coloured = shown.filter((image) => image.channels === 1 && !["grey", "mask"].includes(image.palette));
    // One set of bars for all planes: on small ones they would hide what they explain.
    const roomy = this.only || !["coronal", "sagittal"].includes(this.kind) || app.planes !== "three";
    if (roomy) coloured.slice(0, 2).forEach((image, n) => colourBar(context, image, w - 26 - 64 * n, 32, Math.min(150, h / 3)));
  }

  toScreen(mm) {
    const ratio = window.devicePixelRatio || 1;
    return pixelOf(this.plane, mm).map((x, k) => (this.corner[k] + (x + 0.5) * this.scale[k]) / ratio);
  }

  toMm(x, y) {
    const ratio = window.devicePixelRatio || 1;
    const at = [x, y].map((v, k) => (v * ratio - this.corner[k]) / this.scale[k] - 0.5);
    return onPlane(this.plane, at[0], at[1]);
  }

  // Goes `count` slices on.
  step(count) {
    if (this.kind === "picture") return zoom(count < 0 ? 1.15 : 1 / 1.15);
    const grid = this.only ?? reference();
    const axis = throughAxis(this.kind);
    const own = [0, 1, 2].reduce((best, k) =>
      Math.abs(grid.affine[axis][k]) > Math.abs(grid.affine[axis][best]) ? k : best, 0);
    const mm = [...app.cursor];
    mm[axis] += count * grid.spacing[own];
    app.cursor = snapped(grid, mm);
    tell("draw");
  }
}

// Images that are laid over others: uptake, uncertainty, masks.
const over = (image) => image.functional || image.role === "uncertainty" || image.role === "mask";

export function zoom(factor) {
  app.zoom = Math.min(40, Math.max(0.5, app.zoom * factor));
  if (app.zoom <= 1 && factor < 1) app.centre = app.zoom === 1 ? null : app.centre;
  tell("draw");
}

function listen(view) {
  const { canvas } = view;
  const pointers = new Map();
  let drag = null;
  const point = (event) => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, point(event));
    view.element.focus({ preventScroll: true });
    drag = event.button === 2 || event.shiftKey ? "window" : event.button === 1 || event.altKey ? "pan" : "cross";
    if (drag === "cross" && pointers.size === 1) move(view, point(event));
    event.preventDefault();
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!view.plane) return;
    const now = point(event);
    app.hover = view.toMm(...now);
    tell("hover");
    const before = pointers.get(event.pointerId);
    if (!before) return;
    if (pointers.size === 2) pinch(view, pointers, event.pointerId, now);
    else dragged(view, drag, before, now);
    pointers.set(event.pointerId, now);
  });
  for (const end of ["pointerup", "pointercancel"])
    canvas.addEventListener(end, (event) => pointers.delete(event.pointerId));
  canvas.addEventListener("pointerleave", () => {
    app.hover = null;
    tell("hover");
  });
  canvas.addEventListener("contextmenu", (event) => event.preventDefault());
  canvas.addEventListener("dblclick", () => {
    Object.assign(app, { zoom: 1, centre: null });
    tell("draw");
  });
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    if (event.ctrlKey) zoom(event.deltaY < 0 ? 1.15 : 1 / 1.15);
    else view.step(Math.sign(event.deltaY));
  }, { passive: false });
}

function move(view, at) {
  if (!view.plane) return;
  const grid = view.only ?? reference();
  app.cursor = snapped(grid, view.toMm(...at));
  tell("draw");
}

function dragged(view, drag, before, now) {
  const [dx, dy] = [now[0] - before[0], now[1] - before[1]];
  if (drag === "window") shiftWindow(selected(), dx, dy);
  else if (drag === "pan" || (drag === "cross" && view.kind === "picture" && app.zoom > 1)) pan(view, dx, dy);
  else if (drag === "cross" && app.mode === "wipe" && view.kind === "picture") {
    app.mix = Math.min(1, Math.max(0, now[0] / view.element.clientWidth));
    tell("list");
  } else move(view, now);
}

export function pan(view, dx, dy) {
  const centre = [view.element.clientWidth / 2 - dx, view.element.clientHeight / 2 - dy];
  app.centre = view.toMm(...centre);
  tell("draw");
}

function pinch(view, pointers, id, now) {
  const [other] = [...pointers].filter(([key]) => key !== id).map(([, at]) => at);
  const before = pointers.get(id);
  const distance = (p) => Math.hypot(p[0] - other[0], p[1] - other[1]);
  zoom(distance(now) / Math.max(1, distance(before)));
  pan(view, (now[0] - before[0]) / 2, (now[1] - before[1]) / 2);
}

// To the right is wider, down is brighter, as consoles have it.
function shiftWindow(image, dx, dy) {
  if (!image || image.channels === 3) return;
  const [low, high] = image.window;
  const span = image.range[1] - image.range[0] || 1;
  const width = Math.max(span * 1e-4, high - low + (dx * span) / 400);
  const level = (low + high) / 2 - (dy * span) / 400;
  image.window = [level - width / 2, level + width / 2];
  tell("list");
}
