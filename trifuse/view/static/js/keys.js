// The keyboard: everything that the pointer can do.
import { find, make } from "./dom.js";
import { runChosen } from "./fusion.js";
import { setShown } from "./images.js";
import { names } from "./palettes.js";
import { savePicture } from "./save.js";
import { active } from "./stage.js";
import { snapped, throughAxis } from "./geometry.js";
import { app, fitting, reference, selected, tell } from "./state.js";
import { cancelRunning } from "./tasks.js";
import { pan, zoom } from "./view.js";

const mode = (name) => () => find("modes").querySelector(`[value="${name}"]`).click();
const press = (id) => () => !find(id).hidden && find(id).click();

function cursor(dx, dy) {
  const view = active();
  if (!view?.plane) return;
  if (view.kind === "picture") return pan(view, -24 * dx, -24 * dy);
  const p = view.plane;
  const grid = reference();
  const along = dx ? p.right : p.below;
  const axis = along.findIndex((x) => x !== 0);
  const mm = [...app.cursor];
  mm[axis] += Math.sign(along[axis]) * (dx || dy) * Math.max(...grid.spacing.slice(0, 3));
  mm[throughAxis(view.kind)] = app.cursor[throughAxis(view.kind)];
  app.cursor = snapped(grid, mm);
  tell("draw");
}

function mixed(step) {
  app.mix = Math.min(1, Math.max(0, Math.round(20 * app.mix + step) / 20));
  tell("list");
}

const withSelected = (change) => () => {
  const image = selected();
  if (image) change(image);
  tell("list");
};

function cycle(image, step) {
  const all = Object.values(image.presets ?? {});
  const now = all.findIndex((w) => w[0] === image.window[0] && w[1] === image.window[1]);
  if (all.length && image.channels === 1) image.window = [...all[(now + step + all.length) % all.length]];
}

function level(image, dx, dy) {
  if (image.channels !== 1) return;
  const [low, high] = image.window;
  const [wide, shift] = [((high - low) * dx) / 20, ((high - low) * dy) / 20];
  image.window = [low - wide + shift, high + wide + shift];
}

const role = (name) => () => {
  const all = fitting().filter((image) => image.role === name);
  const shown = !all.some((image) => image.show);
  all.forEach((image) => setShown(image, shown));
};

const opacity = (step) => withSelected((image) => (image.opacity = Math.min(1, Math.max(0, image.opacity + step))));

// key: [what it does, how it is told]; keys without words are further names of the one above.
const KEYS = {
  l: [mode("layers"), "layers"],
  b: [mode("blend"), "blend"],
  w: [mode("wipe"), "wipe"],
  c: [mode("compare"), "side by side"],
  ",": [() => mixed(-1), "blend or wipe towards A"],
  ".": [() => mixed(1), "blend or wipe towards B"],
  ArrowLeft: [() => cursor(-1, 0), "crosshair (picture: move) left"],
  ArrowRight: [() => cursor(1, 0), "right"],
  ArrowUp: [() => cursor(0, -1), "up"],
  ArrowDown: [() => cursor(0, 1), "down"],
  PageUp: [() => active()?.step(-1), "slice back"],
  PageDown: [() => active()?.step(1), "slice on"],
  "+": [() => zoom(1.25), "zoom in"],
  "=": [() => zoom(1.25), ""],
  "-": [() => zoom(0.8), "zoom out"],
  0: [() => (Object.assign(app, { zoom: 1, centre: null }), tell("draw")), "whole image"],
  1: [null, "1 to 9: choose an image"],
  v: [withSelected((image) => setShown(image, !image.show)), "show or hide the chosen image"],
  "[": [opacity(-0.1), "less opaque"],
  "]": [opacity(0.1), "more opaque"],
  p: [withSelected((image) => cycle(image, 1)), "next window preset"],
  g: [withSelected((image) => level(image, -1, 0)), "narrower window"],
  h: [withSelected((image) => level(image, 1, 0)), "wider window"],
  j: [withSelected((image) => level(image, 0, 1)), "darker"],
  k: [withSelected((image) => level(image, 0, -1)), "brighter"],
  n: [withSelected((image) => (image.palette = names[(names.indexOf(image.palette) + 1) % names.length])), "next colours"],
  i: [withSelected((image) => (image.inverted = !image.inverted)), "invert colours"],
  u: [role("uncertainty"), "uncertainty"],
  m: [role("mask"), "masks"],
  d: [press("render-3d"), "3D rendering"],
  s: [press("smooth"), "smooth or sharp pixels"],
  x: [press("cross"), "crosshair"],
  r: [runChosen, "fuse"],
  Escape: [cancelRunning, "cancel the task that runs"],
  e: [savePicture, "save what is shown"],
  o: [press("add-files"), "add files"],
  "?": [press("help-open"), "this list"],
};

export function start() {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    const field = event.target.closest?.("input, select, textarea, summary, button");
    const typing = field && (field.matches("select, textarea, [type=number], [type=text]") || (field.type === "range" && event.key.startsWith("Arrow")) || (field.type === "radio" && event.key.startsWith("Arrow")));
    if (typing && event.key !== "Escape") return;
    if (/^[1-9]$/.test(event.key)) {
      const image = app.images[Number(event.key) - 1];
      if (image) app.selected = image.key;
      return tell("list");
    }
    const act = KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key]?.[0];
    if (!act) return;
    event.preventDefault();
    act();
  });
  const pointer = [
    ["drag", "crosshair; wipe and move in pictures"], ["wheel", "slices; zoom in pictures"], ["ctrl + wheel, pinch", "zoom"],
    ["shift + drag, right drag", "window of the chosen image"], ["alt + drag, middle drag", "move"], ["double click", "whole image"],
  ];
  const rows = [...Object.entries(KEYS).filter(([, [, words]]) => words).map(([key, [, words]]) => [key, words]), ...pointer];
  find("help-list").replaceChildren(...rows.map(([key, words]) => make("div", {}, make("kbd", { textContent: key }), make("span", { textContent: words }))));
}
