// The list of images: what is shown, its window, palette and opacity.
import { send } from "./api.js";
import { make, option } from "./dom.js";
import { number, unitOf } from "./marks.js";
import { names, table } from "./palettes.js";
import { failed } from "./dom.js";
import { app, fitting, on, tell } from "./state.js";

const list = document.getElementById("images");
let drawn = "";
const controls = new Map(); // what is typed in stays where it is: rows are filled in, and made anew only if need be

export function start() {
  on("list", show);
}

function show() {
  const told = JSON.stringify(app.images.map((i) => [i.key, i.name, !!i.data, i.key === app.selected, i.error]).concat(names.length));
  if (told !== drawn) {
    drawn = told;
    controls.clear();
    list.replaceChildren(...app.images.map(row));
  }
  app.images.forEach((image) => controls.get(image.key)?.());
  notes();
}

function row(image) {
  const box = make("input", { type: "checkbox", ariaLabel: `Show ${image.name}` });
  box.addEventListener("change", () => setShown(image, box.checked));
  const pick = make("button", { type: "button", className: "pick", title: image.name });
  pick.setAttribute("aria-expanded", String(image.key === app.selected));
  pick.append(make("span", { className: "name", textContent: image.name }), make("span", { className: "kind", textContent: kind(image) }));
  pick.addEventListener("click", () => {
    app.selected = app.selected === image.key ? null : image.key;
    tell("list");
  });
  const head = make("div", { className: "row" }, box, pick);
  const item = make("section", { className: `image${image.key === app.selected ? " selected" : ""}` }, head);
  item.setAttribute("aria-label", image.name);
  item.dataset.key = image.key;
  const fill = [() => (box.checked = image.show && image.space.length === app.dims)];
  if (image.key === app.selected) {
    const [panel, refill] = controlsOf(image);
    item.append(panel);
    fill.push(refill);
  }
  controls.set(image.key, () => fill.forEach((each) => each()));
  return item;
}

export function setShown(image, shown) {
  if (image.space.length !== app.dims && shown) app.dims = image.space.length;
  image.show = shown;
  tell("list");
}

function kind(image) {
  const what = image.role === "source" ? image.modality : image.role;
  const unit = image.units ? `, ${image.units}` : "";
  return `${what}${unit}, ${image.space.join(" × ")}${image.data ? "" : ", loading"}`;
}

function controlsOf(image) {
  const panel = make("div", { className: "controls" });
  const refills = [];
  if (image.channels === 1) {
    const [ends, fillEnds] = windowOf(image);
    const [palette, fillPalette] = paletteOf(image);
    panel.append(...ends, ...palette);
    refills.push(fillEnds, fillPalette);
  }
  const [opacity, fillOpacity] = opacityOf(image);
  panel.append(...opacity, ending(image));
  refills.push(fillOpacity);
  return [panel, () => refills.forEach((fill) => fill())];
}

function windowOf(image) {
  const presets = make("select", {}, option("", "Window …"), ...Object.keys(image.presets).map((name) => option(name, name)));
  presets.addEventListener("change", () => {
    if (presets.value) image.window = [...image.presets[presets.value]];
    tell("list");
  });
  const ends = ["Low", "High"].map((label, k) => {
    const field = make("input", { type: "number", step: "any" });
    const slider = make("input", { type: "range", min: 0, max: 1000, step: 1, ariaLabel: `${label} end of the window` });
    const [from, to] = image.range;
    const set = (value) => {
      if (!Number.isFinite(value)) return;
      image.window[k] = value;
      if (image.window[0] > image.window[1]) image.window[1 - k] = value;
      tell("list");
    };
    field.addEventListener("change", () => set(field.valueAsNumber));
    slider.addEventListener("input", () => set(from + (slider.valueAsNumber / 1000) * (to - from)));
    const fill = () => {
      if (document.activeElement !== field) field.value = Number(image.window[k].toPrecision(5));
      slider.value = (1000 * (image.window[k] - from)) / (to - from || 1);
    };
    return [make("div", {}, make("label", {}, `${label} (${unitOf(image)}) `, field), slider), fill];
  });
  const pair = make("div", { className: "two" }, ends[0][0], ends[1][0]);
  const fill = () => {
    ends.forEach(([, each]) => each());
    const same = Object.entries(image.presets).find(([, w]) => w[0] === image.window[0] && w[1] === image.window[1]);
    presets.value = same ? same[0] : "";
  };
  return [[make("label", {}, "Preset ", presets), pair], fill];
}

function paletteOf(image) {
  const own = image.palette === "mask" ? ["mask", ...names] : names;
  const select = make("select", {}, ...own.map((name) => option(name, name)));
  const strip = make("canvas", { className: "strip", width: 256, height: 1 });
  select.addEventListener("change", () => {
    image.palette = select.value;
    tell("list");
  });
  const fill = () => {
    select.value = image.palette;
    const context = strip.getContext("2d");
    const colours = table(image.palette);
    for (let k = 0; k < 256; k++) {
      const at = 3 * (image.inverted ? 255 - k : k);
      context.fillStyle = `rgb(${colours[at]} ${colours[at + 1]} ${colours[at + 2]})`;
      context.fillRect(k, 0, 1, 1);
    }
  };
  return [[make("label", {}, "Colours ", select), strip], fill];
}

function opacityOf(image) {
  const slider = make("input", { type: "range", min: 0, max: 100, step: 1 });
  const shown = make("output", {});
  slider.addEventListener("input", () => {
    image.opacity = slider.valueAsNumber / 100;
    tell("list");
  });
  const rising = make("input", { type: "checkbox" });
  rising.addEventListener("change", () => {
    image.rising = rising.checked;
    tell("list");
  });
  const rows = [make("label", {}, "Opacity over the others ", shown, slider)];
  if (image.channels === 1 && image.palette !== "mask")
    rows.push(make("label", { className: "check" }, rising, "rises with the value"));
  const fill = () => {
    slider.value = 100 * image.opacity;
    shown.textContent = `${Math.round(100 * image.opacity)} %`;
    rising.checked = image.rising;
  };
  return [rows, fill];
}

function ending(image) {
  const ends = image.space.length === 3 ? ["nii.gz", "dcm"] : ["png", "tif", "nii.gz", "dcm"];
  const save = make("select", { ariaLabel: `Save ${image.name}` }, option("", "Save as …"), ...ends.map((end) => option(end, `.${end}`)));
  if (image.role === "fused") save.append(option("json", "provenance (.json)"));
  save.addEventListener("change", () => {
    const path = save.value === "json" ? "provenance.json" : `as/${save.value}`;
    if (save.value) make("a", { href: `/api/images/${image.key}/${path}`, download: "" }).click();
    save.value = "";
  });
  const close = make("button", { type: "button", textContent: "Close" });
  close.addEventListener("click", async () => {
    try {
      await send("DELETE", `/api/images/${image.key}`);
      app.images = app.images.filter((other) => other !== image);
      if (!fitting().length && app.images.length) app.dims = app.images[0].space.length;
      tell("list");
    } catch (error) {
      failed(error);
    }
  });
  return make("div", { className: "ends" }, save, close);
}

function notes() {
  const image = app.images.find((each) => each.key === app.selected);
  const told = [...(app.notes ?? []), ...(image?.notes ?? []).map((note) => `${image.name}: ${note}`)];
  document.getElementById("notes").replaceChildren(...told.map((note) => make("li", { textContent: note })));
}
