// The 3D rendering by NiiVue, loaded when it is first asked for. Its crosshair is the planes' own.
import { failed } from "./dom.js";
import { app, fitting, tell } from "./state.js";

let holder = null;
let viewer = null;
let loading = null;
let shown = "";
let moving = false;

export const available = () => {
  try {
    return Boolean(document.createElement("canvas").getContext("webgl2"));
  } catch {
    return false;
  }
};

export function canvas3d() {
  if (holder) return holder;
  holder = document.createElement("div");
  holder.className = "view";
  holder.setAttribute("role", "img");
  holder.setAttribute("aria-label", "3D rendering");
  holder.id = "rendering";
  holder.append(document.createElement("canvas"));
  return holder;
}

function script() {
  return new Promise((found, lost) => {
    const element = document.createElement("script");
    element.src = "/static/vendor/niivue.umd.js";
    element.onload = found;
    element.onerror = () => lost(new Error("the 3D rendering could not be loaded"));
    document.head.append(element);
  });
}

async function begin() {
  if (!window.niivue) await script();
  const made = new window.niivue.Niivue({
    backColor: [0, 0, 0, 1], show3Dcrosshair: true, isColorbar: false, dragAndDropEnabled: false, logLevel: "error",
    crosshairColor: [1, 0.83, 0.47, 0.8], crosshairWidth: 0.6,
  });
  await made.attachToCanvas(holder.firstChild);
  made.setSliceType(made.sliceTypeRender);
  made.onLocationChange = (place) => {
    if (moving || !place?.mm) return;
    app.cursor = [...place.mm].slice(0, 3);
    tell("draw");
  };
  return made;
}

// At most two volumes: what lies at the bottom, and the uptake over it.
function wanted() {
  const visible = fitting().filter((image) => image.show && image.data && image.role !== "mask");
  const base = visible.find((image) => !image.functional) ?? visible[0];
  const over = visible.find((image) => image !== base && image.functional);
  return [base, over].filter(Boolean);
}

export async function draw3d() {
  const images = wanted();
  if (!holder?.isConnected || !images.length) return;
  loading ??= begin().then((made) => (viewer = made)).catch((error) => {
    failed(error);
    app.render = false;
    tell("list");
  });
  await loading;
  if (!viewer) return;
  try {
    await volumes(images);
  } catch (error) {
    failed(error);
  }
}

const PALETTES = { grey: "gray", ember: "hot", inferno: "inferno", magma: "magma", viridis: "viridis", plasma: "plasma" };

async function volumes(images) {
  const told = images.map((image) => image.key).join();
  if (told !== shown) {
    shown = told;
    const listed = images.map((image) => ({
      url: `/api/images/${image.key}/volume.nii`, name: `${image.key}.nii`, colorbarVisible: false,
      colormap: PALETTES[image.palette] ?? "hot", opacity: image.opacity,
    }));
    await viewer.loadVolumes(listed);
  }
  images.forEach((image, n) => {
    const volume = viewer.volumes[n];
    if (!volume || image.channels === 3) return;
    [volume.cal_min, volume.cal_max] = image.window;
    if (n > 0) volume.cal_min = image.window[0] + 0.15 * (image.window[1] - image.window[0]);
  });
  viewer.updateGLVolume();
  moving = true;
  viewer.scene.crosshairPos = viewer.mm2frac(app.cursor);
  viewer.drawScene();
  moving = false;
}
