// Which views there are, and how they share the stage.
import { View } from "./view.js";
import { PLANE_NAMES } from "./geometry.js";
import { app, byKey, fitting, on, tell } from "./state.js";
import { canvas3d, draw3d } from "./render3d.js";

export let views = [];
let layout = "";

const stage = document.getElementById("views");

export function start() {
  on("draw", draw);
  new ResizeObserver(() => tell("draw")).observe(stage);
}

export const kindOf = () => (app.dims === 2 ? "picture" : app.planes === "three" ? "axial" : app.planes);

// What compare shows: what was chosen for it, else all sources and results that are there.
export function compared() {
  const all = fitting().filter((image) => image.data && image.role !== "mask");
  const chosen = all.filter((image) => app.compared.has(image.key));
  return (chosen.length ? chosen : all.filter((image) => image.role !== "uncertainty")).slice(0, 16);
}

function wanted() {
  if (!fitting().some((image) => image.data)) return [];
  if (app.mode === "compare") return compared().map((image) => [kindOf(), image.key]);
  if (app.dims === 2) return [["picture", null]];
  if (app.planes !== "three") return [[app.planes, null], ...(app.render ? [["3d", null]] : [])];
  return [...PLANE_NAMES.map((kind) => [kind, null]), ...(app.render ? [["3d", null]] : [])];
}

function arrange() {
  const now = wanted();
  const told = JSON.stringify(now);
  if (told === layout) return;
  layout = told;
  views = now.filter(([kind]) => kind !== "3d").map(([kind, key]) => new View(kind, key ? byKey(key) : null));
  const elements = views.map((view) => view.element);
  if (now.some(([kind]) => kind === "3d")) elements.push(canvas3d());
  stage.replaceChildren(...elements);
}

// Three planes: the axial one is large on wide stages, the others beside it.
function place() {
  const count = stage.childElementCount;
  const { clientWidth: w, clientHeight: h } = stage;
  const three = app.mode !== "compare" && app.dims === 3 && app.planes === "three";
  let columns = Math.max(1, Math.min(count, Math.round(Math.sqrt((count * w) / Math.max(1, h)))));
  while (columns > 1 && Math.ceil(count / (columns - 1)) === Math.ceil(count / columns)) columns--;
  if (three) columns = 2;
  const rows = Math.ceil(count / columns) || 1;
  stage.style.gridTemplateColumns = three && count === 3 && w > h ? "3fr 2fr" : `repeat(${columns}, minmax(0, 1fr))`;
  stage.style.gridTemplateRows = `repeat(${rows}, minmax(0, 1fr))`;
  [...stage.children].forEach((child) => (child.style.gridRow = ""));
  if (three && count === 3 && w > h) stage.firstElementChild.style.gridRow = "1 / span 2";
}

function draw() {
  arrange();
  place();
  views.forEach((view) => {
    if (view.only) view.only = byKey(view.only.key) ?? view.only;
    view.draw();
  });
  if (app.render && app.dims === 3 && app.mode !== "compare") draw3d();
  stage.dataset.mode = app.mode; // what the canvases show now, for whoever waits for it
}

export const active = () => views.find((view) => view.element === document.activeElement) ?? views[0];
