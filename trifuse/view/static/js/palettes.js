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

// The table of a palette; grey until it is there.
export function table(name) {
  const known = tables.get(name);
  if (known) return known;
  if (known === undefined && name !== "colour") {
    tables.set(name, null);
    getBytes(`/api/palettes/${encodeURIComponent(name)}`).then((bytes) => {
      tables.set(name, new Uint8Array(bytes));
      tell("list");
    });
  }
  return tables.get("grey");
}
