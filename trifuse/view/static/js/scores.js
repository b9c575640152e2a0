// Metrics of the results that are shown.
import { find, make } from "./dom.js";
import { measure } from "./fusion.js";
import { number } from "./marks.js";
import { app, fitting, on } from "./state.js";

let drawn = "";

export function start() {
  on("list", show);
}

function show() {
  const results = fitting().filter((image) => image.role === "fused" && (image.show || app.compared.has(image.key) || app.mode === "compare"));
  const told = JSON.stringify(results.map((image) => [image.key, image.scores]));
  if (told === drawn) return;
  drawn = told;
  if (!results.length) return find("scores").replaceChildren(make("p", { className: "summary", textContent: "Results that are shown are measured here." }));
  const names = [...new Set(results.flatMap((image) => Object.keys(image.scores)))];
  const head = make("tr", {}, cell("th", "metric"), ...results.map((image) => cell("th", image.method ?? image.name, image.name)));
  const body = names.map((name) => make("tr", {}, cell("th", name), ...results.map((image) => cell("td", name in image.scores ? number(image.scores[name]) : "–"))));
  const table = make("table", {}, make("thead", {}, head), make("tbody", {}, ...body));
  const missing = results.filter((image) => !Object.keys(image.scores).length).map((image) => {
    const button = make("button", { type: "button", textContent: `Measure ${image.method ?? image.name}` });
    button.addEventListener("click", () => measure(image.key));
    return button;
  });
  find("scores").replaceChildren(...(names.length ? [table] : []), ...missing);
}

function cell(tag, words, title = "") {
  const found = make(tag, { textContent: words, title });
  if (tag === "th") found.scope = "col";
  return found;
}
