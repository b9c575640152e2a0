// Palettes: 256 colours each, fetched when they are first used.
import { getBytes, getJson } from "./api.js";
import { tell } from "./state.js";

const tables = new Map();
export let names = ["grey"];

function ramp(colour) {
  const table = new Uint8Array(768);
  for (let k = 0; k < 256; k++) colour(k).forEach((c, i) => (table[3 * k + i] = c));
  return table;
}

tables.set("grey", ramp((k) => [k, k, k]));
tables.set("mask", ramp(() => [64, 224, 208]));

export async function loadNames() {
  names = await getJson("/api/palettes");
}

// Fetches a palette, so that nothing is first drawn in other colours than its own.
export async function ready(name) {
  if (tables.has(name) || name === "colour") return;
  tables.set(name, null);
  tables.set(name, new Uint8Array(await getBytes(`/api/palettes/${encodeURIComponent(name)}`)));
  tell("list");
}

// The table of a palette; grey until it is there.
export function table(name) {
  ready(name);
  return tables.get(name) ?? tables.get("grey");
}
