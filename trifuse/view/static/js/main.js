// The page: what stands in the bars, and the order in which all begins.
import { getJson, send } from "./api.js";
import { failed, find, option } from "./dom.js";
import { forget } from "./compose.js";
import * as fusion from "./fusion.js";
import * as images from "./images.js";
import * as keys from "./keys.js";
import { adopt } from "./load.js";
import { loadNames } from "./palettes.js";
import * as readout from "./readout.js";
import { available } from "./render3d.js";
import { savePicture } from "./save.js";
import * as scores from "./scores.js";
import * as stage from "./stage.js";
import { app, fitting, on, tell } from "./state.js";
import * as tasks from "./tasks.js";
import * as upload from "./upload.js";

function bars() {
  find("modes").addEventListener("change", (event) => {
    app.mode = event.target.value;
    tell("list");
  });
  for (const [id, key] of [["pair-a", "a"], ["pair-b", "b"]])
    find(id).addEventListener("change", () => {
      app[key] = find(id).value;
      tell("list");
    });
  find("mix").addEventListener("input", () => {
    app.mix = find("mix").valueAsNumber / 100;
    tell("list");
  });
  find("planes").addEventListener("change", () => {
    app.planes = find("planes").value;
    tell("list");
  });
  for (const [id, key] of [["smooth", "smooth"], ["cross", "cross"], ["render-3d", "render"]])
    find(id).addEventListener("click", () => {
      app[key] = !app[key];
      tell("list");
    });
  find("save-picture").addEventListener("click", savePicture);
  find("help-open").addEventListener("click", () => find("help").showModal());
  find("case").addEventListener("change", changeCase);
  for (const [button, panel] of [["show-images", "images-panel"], ["show-fusion", "fusion-panel"]])
    find(button).addEventListener("click", () => drawer(button, panel));
  find("stage").addEventListener("pointerdown", closeDrawers);
  on("list", fill);
}

function fill() {
  find("modes").querySelector(`[value="${app.mode}"]`).checked = true;
  const able = fitting().filter((image) => image.role !== "mask");
  for (const [id, key] of [["pair-a", "a"], ["pair-b", "b"]]) {
    const select = find(id);
    const told = able.map((image) => image.key).join();
    if (select.dataset.told !== told) {
      select.replaceChildren(...able.map((image) => option(image.key, image.name)));
      select.dataset.told = told;
    }
    select.value = app[key] ?? "";
  }
  find("pair").hidden = !["blend", "wipe"].includes(app.mode);
  find("mix").value = 100 * app.mix;
  find("mix-value").textContent = `${Math.round(100 * app.mix)} %`;
  find("planes-field").hidden = app.dims !== 3;
  find("planes").value = app.planes;
  find("render-3d").hidden = app.dims !== 3 || !available3d;
  for (const [id, key] of [["smooth", "smooth"], ["cross", "cross"], ["render-3d", "render"]])
    find(id).setAttribute("aria-pressed", String(app[key]));
}

const available3d = available();

async function changeCase() {
  find("busy").hidden = false;
  try {
    const state = await send("POST", `/api/cases/${find("case").value}`);
    Object.assign(app, { images: [], selected: null, a: null, b: null, zoom: 1, centre: null, cursor: [0, 0, 0] });
    forget();
    await adopt(state);
  } catch (error) {
    failed(error);
  }
  find("busy").hidden = true;
}

function drawer(button, panel) {
  const open = !find(panel).classList.contains("open");
  closeDrawers();
  find(panel).classList.toggle("open", open);
  find(button).setAttribute("aria-expanded", String(open));
}

function closeDrawers() {
  for (const [button, panel] of [["show-images", "images-panel"], ["show-fusion", "fusion-panel"]]) {
    find(panel).classList.remove("open");
    find(button).setAttribute("aria-expanded", "false");
  }
}

async function begin() {
  bars();
  [stage, images, readout, fusion, tasks, scores, upload, keys].forEach((part) => part.start());
  let state = await getJson("/api/state");
  find("busy").hidden = !state.loading;
  await adopt(state);
  while (state.loading) {
    await new Promise((later) => setTimeout(later, 150));
    state = await getJson("/api/state");
    await adopt(state);
  }
  find("busy").hidden = true;
  await new Promise(requestAnimationFrame); // what came last is in the list and drawn
  document.documentElement.dataset.ready = "true";
  await loadNames();
  tell("list");
  await fusion.load();
  document.documentElement.dataset.methods = "true";
  await tasks.follow();
}

begin().catch(failed);
