// From values to pixels: window, palette, opacity, one image over the other. No DOM here.
import { apply, inverse, shownAffine, turn } from "./geometry.js";
import { table } from "./palettes.js";

// Values of one image on a plane: display levels 0..255 (NaN outside the image or where there is no value).
// Colour images give three.
function sampled(image, plane, over, smooth) {
  const count = plane.width * plane.height;
  const levels = new Float32Array(count * image.channels);
  const m = inverse(shownAffine(image, over));
  const start = apply(m, plane.origin);
  const du = turn(m, plane.right);
  const dv = turn(m, plane.below);
  if (image.space.length === 2) start[2] = du[2] = dv[2] = 0;
  const whole = [...start, ...du, ...dv].every((x) => Math.abs(x - Math.round(x)) < 1e-3);
  const read = smooth && !whole && image.palette !== "mask" ? interpolated : nearest;
  read(image, plane, { start, du, dv }, levels);
  return levels;
}

function nearest(image, plane, { start, du, dv }, out) {
  const { data, channels } = image;
  const [nx, ny, nz] = [...image.space, 1];
  const [sx, sy, sz] = [...image.strides, 0];
  let at = 0;
  for (let j = 0; j < plane.height; j++) {
    let x = start[0] + dv[0] * j + 0.5;
    let y = start[1] + dv[1] * j + 0.5;
    let z = start[2] + dv[2] * j + 0.5;
    for (let i = 0; i < plane.width; i++) {
      const xi = Math.floor(x);
      const yi = Math.floor(y);
      const zi = Math.floor(z);
      if (xi >= 0 && yi >= 0 && zi >= 0 && xi < nx && yi < ny && zi < nz) {
        const from = (xi * sx + yi * sy + zi * sz) * channels;
        for (let c = 0; c < channels; c++) out[at + c] = data[from + c];
      } else out.fill(NaN, at, at + channels);
      at += channels;
      x += du[0];
      y += du[1];
      z += du[2];
    }
  }
}

function interpolated(image, plane, { start, du, dv }, out) {
  const { data, channels } = image;
  const size = [...image.space, 1].slice(0, 3);
  const [sx, sy, sz] = [...image.strides, 0];
  let at = 0;
  for (let j = 0; j < plane.height; j++)
    for (let i = 0; i < plane.width; i++, at += channels) {
      const p = [0, 1, 2].map((k) => start[k] + du[k] * i + dv[k] * j);
      if (p.some((x, k) => x < -0.5 || x > size[k] - 0.5)) {
        out.fill(NaN, at, at + channels);
        continue;
      }
      const low = p.map((x, k) => Math.min(size[k] - 1, Math.max(0, Math.floor(x))));
      const f = p.map((x, k) => Math.min(1, Math.max(0, x - low[k])));
      const step = [sx, sy, sz].map((s, k) => (low[k] + 1 < size[k] ? s : 0));
      const base = low[0] * sx + low[1] * sy + low[2] * sz;
      for (let c = 0; c < channels; c++) {
        let value = 0;
        for (let corner = 0; corner < 8; corner++) {
          const [a, b, d] = [corner & 1, (corner >> 1) & 1, corner >> 2];
          const weight = (a ? f[0] : 1 - f[0]) * (b ? f[1] : 1 - f[1]) * (d ? f[2] : 1 - f[2]);
          if (weight) value += weight * data[(base + a * step[0] + b * step[1] + d * step[2]) * channels + c];
        }
        out[at + c] = value;
      }
    }
}

// Sampled values are kept until the plane moves: a change of window or opacity then costs no sampling.
const kept = new Map();
const MOST = 48;

function levelsOf(image, plane, over, smooth) {
  const key = [image.key, over?.key, smooth, plane.kind, plane.width, ...plane.origin, plane.pixel[0]].join();
  let found = kept.get(key);
  if (!found || found.data !== image.data) {
    found = { data: image.data, levels: sampled(image, plane, over, smooth) };
    if (kept.size >= MOST) kept.delete(kept.keys().next().value);
    kept.set(key, found);
  }
  return found.levels;
}

export const forget = () => kept.clear();

// Opacity that rises with the value: nothing below a tenth of the window, all from two thirds on, so that what is cold
// stays grey.
const RISE = Float32Array.from({ length: 256 }, (_, k) => {
  const x = Math.min(1, Math.max(0, (k / 255 - 0.1) / 0.56));
  return x * x * (3 - 2 * x);
});

// Lays one image over what is there. `share` is its opacity; the first image has 1 and covers everything.
export function lay(out, image, plane, over, smooth, share) {
  const levels = levelsOf(image, plane, over, smooth);
  const count = plane.width * plane.height;
  if (image.channels === 3) {
    for (let k = 0, at = 0; k < count; k++, at += 3) {
      if (!(levels[at] >= 0)) continue;
      for (let c = 0; c < 3; c++) out[4 * k + c] += share * (levels[at + c] - out[4 * k + c]);
    }
    return;
  }
  const [low, high] = image.window;
  const factor = 255 / (high - low || 1);
  const colours = table(image.palette);
  const flip = image.inverted ? 255 : 0;
  const mask = image.palette === "mask";
  for (let k = 0; k < count; k++) {
    const value = levels[k];
    if (value !== value) continue;
    const t = Math.min(255, Math.max(0, (value - low) * factor));
    if (mask && !(value > 0)) continue;
    const a = image.rising ? share * RISE[Math.round(t)] : share;
    if (a === 0) continue;
    const entry = 3 * Math.abs(flip - Math.round(t));
    const to = 4 * k;
    out[to] += a * (colours[entry] - out[to]);
    out[to + 1] += a * (colours[entry + 1] - out[to + 1]);
    out[to + 2] += a * (colours[entry + 2] - out[to + 2]);
  }
}

// Pixels of a plane: images over each other from the first to the last.
export function layers(images, plane, over, smooth) {
  const out = new Float32Array(plane.width * plane.height * 4);
  images.forEach((image, n) => {
    const first = n === 0 && image.palette !== "mask";
    const plain = first && image.rising ? { ...image, rising: false } : image;
    lay(out, plain, plane, over, smooth, first ? 1 : image.opacity);
  });
  return bytes(out, plane);
}

// Every pixel (1 - mix) A + mix B of what is shown of each.
export function blended(a, b, mix, overlays, plane, over, smooth) {
  const out = new Float32Array(plane.width * plane.height * 4);
  lay(out, { ...a, rising: false }, plane, over, smooth, 1);
  const other = new Float32Array(out.length);
  lay(other, { ...b, rising: false }, plane, over, smooth, 1);
  for (let k = 0; k < out.length; k++) out[k] += mix * (other[k] - out[k]);
  overlays.forEach((image) => lay(out, image, plane, over, smooth, image.opacity));
  return bytes(out, plane);
}

function bytes(out, plane) {
  const pixels = new Uint8ClampedArray(out);
  for (let k = 3; k < pixels.length; k += 4) pixels[k] = 255;
  return new ImageData(pixels, plane.width, plane.height);
}

// The value of an image at a place: a number, three for colours, null outside.
export function valueAt(image, mm, over) {
  const p = apply(inverse(shownAffine(image, over)), mm).map((x) => Math.floor(x + 0.5));
  if (image.space.length === 2) p[2] = 0;
  const size = [...image.space, 1];
  if (!image.data || p.some((x, k) => x < 0 || x >= size[k])) return null;
  const strides = [...image.strides, 0];
  const from = (p[0] * strides[0] + p[1] * strides[1] + p[2] * strides[2]) * image.channels;
  return image.channels === 1 ? image.data[from] : Array.from(image.data.subarray(from, from + 3));
}
