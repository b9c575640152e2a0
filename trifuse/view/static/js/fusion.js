// Choosing a method, its options and what is fused; the tasks that come of it.
import { getJson, send } from "./api.js";
import { failed, find, make, option } from "./dom.js";
import { field, valuesOf } from "./form.js";
import { app, byKey, fitting, on } from "./state.js";
import { follow } from "./tasks.js";

let catalogue = null;
let options = [];
let settings = [];
const left = new Set(); // images that are not to be fused

export function start() {
  on("list", listSources);
  find("method").addEventListener("change", choose);
  find("run").addEventListener("click", () => run([find("method").value]));
  find("run-several").addEventListener("click", () => run([...find("several-list").querySelectorAll("input:checked")].map((box) => box.value)));
}

// The methods come after the first picture: they take seconds to load, in a process of their own.
export async function load() {
  find("method").replaceChildren(option("", "loading …"));
  try {
    catalogue = await getJson("/api/catalogue");
  } catch (error) {
    return failed(error);
  }
  const able = (each) => (each.lacking ? `${each.name} (no weights)` : each.name);
  find("method").replaceChildren(...catalogue.methods.map((each) => option(each.name, able(each))));
  find("method").value = catalogue.default;
  find("metrics").replaceChildren(option("", "nothing"), ...catalogue.metrics.map((name) => option(name, name)));
  find("metrics").value = "core";
  settings = catalogue.settings.map(field);
  find("settings").replaceChildren(...settings.map((each) => each.label));
  find("several-list").replaceChildren(...catalogue.methods.filter((each) => !each.lacking).map(several));
  choose();
  listSources();
}

function several(method) {
  const box = make("input", { type: "checkbox", value: method.name });
  return make("label", { className: "check", title: method.summary }, box, make("span", { textContent: method.name }));
}

function choose() {
  const method = catalogue?.methods.find((each) => each.name === find("method").value);
  if (!method) return;
  find("method-summary").textContent = method.lacking || method.summary;
  find("method-summary").classList.toggle("bad", Boolean(method.lacking));
  options = method.options.map(field);
  find("options").replaceChildren(...options.map((each) => each.label));
  find("options-box").hidden = options.length === 0;
}

const fusable = () => fitting().filter((image) => image.role === "source" || image.role === "fused");
const chosen = () => fusable().filter((image) => !left.has(image.key));

function listSources() {
  for (const image of app.images) if (image.role === "fused" && !image.asked) left.add(image.key), (image.asked = true);
  const rows = fusable().map((image) => {
    const box = make("input", { type: "checkbox", checked: !left.has(image.key) });
    box.addEventListener("change", () => {
      box.checked ? left.delete(image.key) : left.add(image.key);
      ready();
    });
    return make("label", { className: "check", title: image.name }, box, make("span", { textContent: image.name }));
  });
  const old = find("fuse-sources");
  const same = old.textContent === rows.map((row) => row.textContent).join("");
  if (!same) old.replaceChildren(...rows);
  ready();
}

function ready() {
  find("run").disabled = find("run-several").disabled = !catalogue || chosen().length < 2;
}

// Windows that were changed here hold for the fusion too.
function windows(images) {
  const changed = images.filter((image) => image.channels === 1 && image.window.some((x, k) => x !== image.opened[k]));
  return Object.fromEntries(changed.map((image) => [image.key, image.window]));
}

export async function run(methods) {
  const images = chosen();
  if (!catalogue || images.length < 2 || !methods.length) return;
  for (const method of methods) {
    const own = methods.length === 1 ? valuesOf(options) : {};
    const body = { images: images.map((image) => image.key), method, settings: valuesOf(settings), options: own };
    try {
      await send("POST", "/api/tasks", { ...body, windows: windows(images), metrics: find("metrics").value });
    } catch (error) {
      return failed(error);
    }
  }
  follow();
}

export const runChosen = () => run([find("method").value]);

export async function measure(key) {
  const mask = fitting().find((image) => image.role === "mask" && image.show);
  const parents = byKey(key)?.parents ?? [];
  const images = parents.length ? parents : fitting().filter((image) => image.role === "source").map((image) => image.key);
  const metrics = find("metrics").value || "core";
  try {
    await send("POST", "/api/measurements", { image: key, images, metrics, mask: mask?.key });
  } catch (error) {
    return failed(error);
  }
  follow();
}
