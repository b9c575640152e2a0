// Letters, scale bars and colour bars on a canvas; sizes in CSS pixels.
import { table } from "./palettes.js";

export function text(context, words, x, y, align = "left", size = 13) {
  if (!words) return;
  context.font = `600 ${size}px system-ui, "DejaVu Sans", sans-serif`;
  context.textAlign = align;
  context.textBaseline = "middle";
  context.lineWidth = 3;
  context.lineJoin = "round";
  context.strokeStyle = "#000c";
  context.strokeText(words, x, y);
  context.fillStyle = "#f2f4f6";
  context.fillText(words, x, y);
}

export function cross(context, [x, y], width, height) {
  const gap = 9;
  context.strokeStyle = "#ffd479b0";
  context.lineWidth = 1;
  context.beginPath();
  for (const [a, b, c, d] of [
    [0, y, x - gap, y],
    [x + gap, y, width, y],
    [x, 0, x, y - gap],
    [x, y + gap, x, height],
  ]) {
    context.moveTo(a, b);
    context.lineTo(c, d);
  }
  context.stroke();
}

// A bar of a round number of millimetres, about a fifth of the width.
export function scaleBar(context, perMm, width, height) {
  const most = width / 4 / perMm;
  const power = 10 ** Math.floor(Math.log10(most));
  const mm = [5, 2, 1].map((k) => k * power).find((k) => k <= most) ?? power;
  const length = mm * perMm;
  const [x, y] = [12, height - 12];
  context.strokeStyle = "#000c";
  context.lineWidth = 4;
  stroke(context, x, y, length);
  context.strokeStyle = "#f2f4f6";
  context.lineWidth = 2;
  stroke(context, x, y, length);
  text(context, mm >= 10 ? `${mm / 10} cm` : `${mm} mm`, x + length + 6, y - 3, "left", 11);
}

function stroke(context, x, y, length) {
  context.beginPath();
  context.moveTo(x, y - 5);
  context.lineTo(x, y);
  context.lineTo(x + length, y);
  context.lineTo(x + length, y - 5);
  context.stroke();
}

export function colourBar(context, image, x, y, height) {
  const colours = table(image.palette);
  for (let k = 0; k < height; k++) {
    const at = Math.round((1 - k / (height - 1)) * 255);
    const entry = 3 * (image.inverted ? 255 - at : at);
    context.fillStyle = `rgb(${colours[entry]} ${colours[entry + 1]} ${colours[entry + 2]})`;
    context.fillRect(x, y + k, 12, 1.5);
  }
  context.strokeStyle = "#f2f4f680";
  context.lineWidth = 1;
  context.strokeRect(x - 0.5, y - 0.5, 13, height + 1);
  text(context, number(image.window[1]), x - 5, y + 4, "right", 11);
  text(context, number(image.window[0]), x - 5, y + height - 4, "right", 11);
  text(context, unitOf(image), x + 16, y - 12, "right", 11);
}

export const unitOf = (image) =>
  image.role === "uncertainty" ? "std" : image.units === "of the palette" ? "uptake" : image.units || image.modality;

export function number(value) {
  if (value === null || value === undefined) return "–";
  if (!Number.isFinite(value)) return "no value";
  const size = Math.abs(value);
  if (Number.isInteger(value) && size < 1e7) return String(value);
  if (size >= 1e5 || size < 1e-3) return value.toExponential(3);
  return String(Number(value.toPrecision(size >= 1000 ? 6 : 4)));
}
