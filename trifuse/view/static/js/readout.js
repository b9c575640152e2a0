// The value of every image under the cursor, in its unit.
import { valueAt } from "./compose.js";
import { find, make } from "./dom.js";
import { number } from "./marks.js";
import { app, fitting, on, reference } from "./state.js";

export function start() {
  on("hover", show);
}

function show() {
  const over = reference();
  const mm = app.hover ?? (app.dims === 3 ? app.cursor : null);
  if (!over?.data || !mm) return find("readout").replaceChildren(make("span", { textContent: "Point at an image to read its values" }));
  const values = fitting().filter((image) => image.data).map((image) => [image, valueAt(image, mm, over)]);
  const place = over.placed || app.dims === 3 ? [entry("mm (R A S)", mm.map((x) => x.toFixed(1)).join(", "))] : [];
  find("readout").replaceChildren(...place, ...values.map(([image, value]) => entry(short(image), worded(image, value), image.key)));
}

function worded(image, value) {
  if (Array.isArray(value)) return `RGB ${value.join(" ")}`;
  const unit = image.units === "of the palette" ? "of its palette" : image.units;
  return value === null ? "outside" : `${number(value)}${unit && Number.isFinite(value) ? ` ${unit}` : ""}`;
}

const short = (image) => (image.role === "source" && image.modality !== "OTHER" ? image.modality : image.name);

function entry(name, value, key = "") {
  const item = make("span", {}, make("b", { textContent: name }), make("span", { className: "value", textContent: value }));
  if (key) item.dataset.key = key;
  return item;
}
