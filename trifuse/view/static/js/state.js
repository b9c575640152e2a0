// What is shown, in one object, and who wants to know when it changes.

export const app = {
  images: [], // as the server tells, with data and how each is shown
  selected: null, // key
  mode: "layers",
  a: null,
  b: null,
  mix: 0.5, // blend and wipe: 0 is A alone, 1 is B alone
  dims: 2,
  planes: "three",
  cursor: [0, 0, 0], // mm, where the planes cross
  hover: null, // mm, under the pointer
  zoom: 1,
  centre: null, // mm, null for the middle of the field of view
  smooth: true,
  cross: true,
  render: false, // 3D
  compared: new Set(), // keys that compare shows
};

const listeners = { draw: [], list: [], hover: [] };

export function on(what, listener) {
  listeners[what].push(listener);
}

const waiting = new Set();

// Many changes in one frame are one drawing.
export function tell(what) {
  if (waiting.size === 0) requestAnimationFrame(flush);
  waiting.add(what);
}

function flush() {
  const now = [...waiting];
  waiting.clear();
  if (now.includes("list")) listeners.list.forEach((listener) => listener());
  if (now.includes("list") || now.includes("draw")) listeners.draw.forEach((listener) => listener());
  listeners.hover.forEach((listener) => listener());
}

export const byKey = (key) => app.images.find((image) => image.key === key);
export const fitting = () => app.images.filter((image) => image.space.length === app.dims);
export const sources = () => app.images.filter((image) => image.role === "source");
export const selected = () => byKey(app.selected);

// The image whose grid the planes follow.
export function reference() {
  const all = fitting();
  return all.find((image) => image.show && image.role !== "mask") ?? all[0];
}
