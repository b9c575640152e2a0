// A picture of what is shown, with its scale and colour bars, as the views draw them.
import { make } from "./dom.js";
import { text } from "./marks.js";
import { app, byKey } from "./state.js";
import { views } from "./stage.js";

const HEAD = 26;
const FOOT = 24;

export function picture() {
  const stage = document.getElementById("views");
  const ratio = window.devicePixelRatio || 1;
  const { clientWidth, clientHeight } = stage;
  const canvas = make("canvas", { width: Math.round(clientWidth * ratio), height: Math.round((clientHeight + HEAD + FOOT) * ratio) });
  const context = canvas.getContext("2d");
  context.fillStyle = "#000";
  context.fillRect(0, 0, canvas.width, canvas.height);
  const corner = stage.getBoundingClientRect();
  for (const view of views) {
    const box = view.element.getBoundingClientRect();
    context.drawImage(view.canvas, (box.left - corner.left) * ratio, (box.top - corner.top + HEAD) * ratio);
  }
  context.scale(ratio, ratio);
  text(context, title(), clientWidth / 2, HEAD / 2, "center", 12);
  text(context, "trifuse, research use, not a medical device", clientWidth - 8, clientHeight + HEAD + FOOT / 2, "right", 11);
  return canvas;
}

// Methods and modalities, no names of files: those may be a patient's.
function title() {
  const word = (image) => image?.method ?? (image?.role === "source" ? image.modality : image?.role) ?? "";
  if (app.mode === "blend") return `${Math.round(100 - 100 * app.mix)} % ${word(byKey(app.a))}, ${Math.round(100 * app.mix)} % ${word(byKey(app.b))}`;
  if (app.mode === "wipe") return `${word(byKey(app.a))} | ${word(byKey(app.b))}`;
  return app.mode === "layers" ? [...new Set(views.flatMap((view) => view.shown().map(word)))].join(" + ") : "";
}

export function savePicture() {
  picture().toBlob((blob) => {
    const link = make("a", { href: URL.createObjectURL(blob), download: "trifuse-view.png" });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  }, "image/png");
}
