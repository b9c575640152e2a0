// From what the server tells to images with values; what is new is shown as its kind is best shown.
import { getBytes, getJson } from "./api.js";
import { failed, find, option } from "./dom.js";
import { middle } from "./geometry.js";
import { ready } from "./palettes.js";
import { app, byKey, fitting, tell } from "./state.js";

const TYPES = {
  uint8: Uint8Array, int8: Int8Array, uint16: Uint16Array, int16: Int16Array,
  int32: Int32Array, uint32: Uint32Array, float32: Float32Array,
};

export async function refresh(show = []) {
  await adopt(await getJson("/api/state"), show);
}

// Takes over the state of the server; `show` are keys that are to be seen.
export async function adopt(state, show = []) {
  app.notes = state.notes;
  cases(state);
  const first = !app.images.length;
  const fresh = [];
  app.images = state.images.map((told) => {
    const known = byKey(told.key);
    if (known) return Object.assign(known, { scores: told.scores });
    const image = prepared(told);
    fresh.push(image);
    return image;
  });
  if (!app.images.some((image) => image.space.length === app.dims) && app.images.length) app.dims = app.images[0].space.length;
  if (first && app.images.length) app.dims = app.images[0].space.length;
  tell("list");
  // One after the other: the first picture comes as soon as the first values are there.
  for (const image of fresh) {
    try {
      const [bytes] = await Promise.all([getBytes(`/api/images/${image.key}/values`), ready(image.palette)]);
      image.data = new TYPES[image.type](bytes);
    } catch (error) {
      failed(error);
      continue;
    }
    arranged(image, show.includes(image.key), first && image === fresh[0]);
    tell("list");
  }
  if (fresh.length) pair(first);
  find("empty").hidden = app.images.length > 0 || state.loading;
  return state;
}

function cases(state) {
  find("case-field").hidden = state.cases.length < 2;
  const select = find("case");
  if (select.childElementCount !== state.cases.length) select.replaceChildren(...state.cases.map((name, k) => option(String(k), name || `case ${k + 1}`)));
  select.value = String(state.case);
}

function prepared(told) {
  const [nx, ny] = told.space;
  const laid = told.functional || told.units === "of the palette" || told.role === "uncertainty";
  return {
    ...told,
    data: null,
    strides: told.space.length === 3 ? [1, nx, nx * ny] : [ny, 1],
    window: [...told.window].sort((a, b) => a - b),
    opened: [...told.window].sort((a, b) => a - b),
    inverted: told.window[0] > told.window[1],
    palette: told.role === "mask" ? "mask" : told.role === "uncertainty" ? "inferno" : told.palette,
    functional: laid && told.role === "source",
    opacity: told.role === "mask" ? 0.5 : laid ? 0.7 : 1,
    rising: laid,
    show: false,
  };
}

function arranged(image, asked, first) {
  const others = fitting().filter((other) => other !== image && other.data && other.show);
  const base = others.some((other) => !other.functional && other.role !== "mask");
  if (asked && image.role === "fused") {
    app.images.forEach((other) => (other.show = other === image || (other.show && other.role === "mask")));
    if (image.space.length === 3 || app.mode !== "compare") app.dims = image.space.length;
    app.selected = image.key;
  } else if (image.role === "fused") image.show = !others.some((other) => other.role === "fused") && others.every((o) => o.role !== "fused");
  else if (image.role === "source") image.show = image.functional || !base;
  if (image.role === "fused" && image.show && !asked) fitting().forEach((other) => (other.show = other === image));
  if (first || !app.cursor || (app.dims === 3 && app.cursor.every((x) => x === 0) && image.space.length === 3)) app.cursor = middle(image);
  app.selected ??= image.key;
}

// What is blended: the first two sources, or a source and the newest result.
function pair(first) {
  const able = fitting().filter((image) => image.data && image.role !== "mask");
  if (!byKey(app.a) || !able.includes(byKey(app.a))) app.a = able[0]?.key ?? null;
  if (!byKey(app.b) || app.b === app.a || !able.includes(byKey(app.b))) app.b = able[able.length > 2 ? able.length - 1 : 1]?.key ?? null;
  // Pictures side by side are the natural first look; volumes are looked at in three planes.
  if (first && app.dims === 2 && able.length > 1) app.mode = "compare";
  tell("list");
}
