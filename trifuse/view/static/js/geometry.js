// Places in mm and voxels. Matrices are 3 x 4, rows first; a picture's voxel is (row, column, 0).

export function inverse(affine) {
  const [a, b, c] = affine;
  const det =
    a[0] * (b[1] * c[2] - b[2] * c[1]) - a[1] * (b[0] * c[2] - b[2] * c[0]) + a[2] * (b[0] * c[1] - b[1] * c[0]);
  const linear = [
    [(b[1] * c[2] - b[2] * c[1]) / det, (a[2] * c[1] - a[1] * c[2]) / det, (a[1] * b[2] - a[2] * b[1]) / det],
    [(b[2] * c[0] - b[0] * c[2]) / det, (a[0] * c[2] - a[2] * c[0]) / det, (a[2] * b[0] - a[0] * b[2]) / det],
    [(b[0] * c[1] - b[1] * c[0]) / det, (a[1] * c[0] - a[0] * c[1]) / det, (a[0] * b[1] - a[1] * b[0]) / det],
  ];
  return linear.map((row) => [...row, -(row[0] * a[3] + row[1] * b[3] + row[2] * c[3])]);
}

export const apply = (m, p) => [0, 1, 2].map((k) => m[k][0] * p[0] + m[k][1] * p[1] + m[k][2] * p[2] + m[k][3]);
export const turn = (m, p) => [0, 1, 2].map((k) => m[k][0] * p[0] + m[k][1] * p[1] + m[k][2] * p[2]);

// The affine under which an image is shown over another: its own where both know their places, else edge on edge.
export function shownAffine(image, over) {
  if (image === over || !over || (image.placed && over.placed)) return image.affine;
  const factors = image.space.map((n, k) => over.space[k] / n);
  return [0, 1, 2].map((r) => {
    const row = [...over.affine[r]];
    let shift = row[3];
    factors.forEach((f, k) => {
      shift += row[k] * (0.5 * f - 0.5);
      row[k] *= f;
    });
    row[3] = shift;
    return row;
  });
}

// Corners of the voxel centres in mm.
function box(image, affine) {
  const size = [...image.space, 1].slice(0, 3).map((n) => n - 1);
  const low = [Infinity, Infinity, Infinity];
  const high = [-Infinity, -Infinity, -Infinity];
  for (let corner = 0; corner < 8; corner++) {
    const p = apply(affine, size.map((n, k) => (corner >> k) & 1 ? n : 0));
    p.forEach((x, k) => {
      low[k] = Math.min(low[k], x);
      high[k] = Math.max(high[k], x);
    });
  }
  return { low, high };
}

// Screen directions of the planes in RAS mm: the patient's right is on the left, the front or the head on top.
const PLANES = {
  axial: { across: 0, down: 1, through: 2 },
  coronal: { across: 0, down: 2, through: 1 },
  sagittal: { across: 1, down: 2, through: 0 },
};
export const PLANE_NAMES = Object.keys(PLANES);
export const throughAxis = (kind) => PLANES[kind].through;

// A plane as a grid: the centre of its first pixel, steps to the right and down, all in mm, and its size in pixels.
export function plane(kind, image, cursor, finest) {
  if (kind === "picture") return picturePlane(image, finest);
  const { across, down, through } = PLANES[kind];
  const { low, high } = box(image, image.affine);
  const step = Math.max(finest, Math.max(high[across] - low[across], high[down] - low[down]) / 1024);
  const origin = [0, 0, 0];
  origin[across] = high[across];
  origin[down] = high[down];
  origin[through] = cursor[through];
  const right = [0, 0, 0];
  const below = [0, 0, 0];
  right[across] = -step;
  below[down] = -step;
  const width = Math.floor((high[across] - low[across]) / step + 1e-6) + 1;
  const height = Math.floor((high[down] - low[down]) / step + 1e-6) + 1;
  return { kind, origin, right, below, width, height, pixel: [step, step] };
}

function picturePlane(image, finest) {
  const [rows, columns] = image.space;
  const factor = Math.max(1, Math.min(4, Math.round(Math.min(...image.spacing) / finest)));
  const column = (k) => image.affine.map((row) => row[k]);
  const right = column(1).map((x) => x / factor);
  const below = column(0).map((x) => x / factor);
  const edge = 0.5 / factor - 0.5;
  const origin = apply(image.affine, [edge, edge, 0]);
  const pixel = [image.spacing[1] / factor, image.spacing[0] / factor];
  return { kind: "picture", origin, right, below, width: columns * factor, height: rows * factor, pixel };
}

export const onPlane = (p, x, y) => [0, 1, 2].map((k) => p.origin[k] + p.right[k] * x + p.below[k] * y);

// Pixel of a plane nearest to a place in mm.
export function pixelOf(p, mm) {
  const d = mm.map((x, k) => x - p.origin[k]);
  const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
  return [dot(d, p.right) / dot(p.right, p.right), dot(d, p.below) / dot(p.below, p.below)];
}

// Letters on the left, right, top and bottom border.
export function marks(p, placed) {
  if (!placed) return ["", "", "", ""];
  const letter = (v) => {
    const k = [0, 1, 2].reduce((best, i) => (Math.abs(v[i]) > Math.abs(v[best]) ? i : best), 0);
    return "LRPAIS"[2 * k + (v[k] > 0 ? 1 : 0)];
  };
  const opposite = (v) => v.map((x) => -x);
  return [letter(opposite(p.right)), letter(p.right), letter(opposite(p.below)), letter(p.below)];
}

// The middle of what an image shows, snapped to a voxel: of what is brighter than a tenth of its window.
export function middle(image) {
  const { data, space, strides, channels } = image;
  const limit = image.window[0] + 0.1 * (image.window[1] - image.window[0]);
  const size = [...space, 1].slice(0, 3);
  const stride = [...strides, 0].slice(0, 3);
  const step = size.map((n) => Math.max(1, Math.floor(n / 48)));
  const sum = [0, 0, 0];
  let count = 0;
  for (let z = 0; z < size[2]; z += step[2])
    for (let y = 0; y < size[1]; y += step[1])
      for (let x = 0; x < size[0]; x += step[0])
        if (data[(x * stride[0] + y * stride[1] + z * stride[2]) * channels] > limit) {
          sum[0] += x;
          sum[1] += y;
          sum[2] += z;
          count++;
        }
  const index = count ? sum.map((s) => Math.round(s / count)) : size.map((n) => Math.floor(n / 2));
  return apply(image.affine, index);
}

// A place moved to the nearest voxel centre of an image.
export function snapped(image, mm) {
  const index = apply(inverse(image.affine), mm);
  const size = [...image.space, 1].slice(0, 3);
  return apply(image.affine, index.map((x, k) => Math.min(size[k] - 1, Math.max(0, Math.round(x)))));
}
