// Files that are dropped or chosen, folders and all.
import { putFile, send } from "./api.js";
import { failed, find } from "./dom.js";
import { adopt } from "./load.js";

const AT_ONCE = 4;

export function start() {
  const body = document.body;
  let depth = 0;
  body.addEventListener("dragenter", (event) => {
    event.preventDefault();
    depth++;
    find("dropping").hidden = false;
  });
  body.addEventListener("dragover", (event) => event.preventDefault());
  body.addEventListener("dragleave", () => {
    if (--depth <= 0) find("dropping").hidden = true;
  });
  body.addEventListener("drop", async (event) => {
    event.preventDefault();
    depth = 0;
    find("dropping").hidden = true;
    take(await dropped(event.dataTransfer));
  });
  for (const [button, input] of [["add-files", "files"], ["add-folder", "folder"]]) {
    find(button).addEventListener("click", () => find(input).click());
    find(input).addEventListener("change", () => {
      take([...find(input).files].map((file) => [file.webkitRelativePath || file.name, file]));
      find(input).value = "";
    });
  }
}

async function dropped(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return [...transfer.files].map((file) => [file.name, file]);
  return (await Promise.all(entries.map((entry) => walked(entry, "")))).flat();
}

async function walked(entry, above) {
  if (entry.name.startsWith(".")) return [];
  if (entry.isFile) {
    const file = await new Promise((found, lost) => entry.file(found, lost));
    return [[above + entry.name, file]];
  }
  const reader = entry.createReader();
  const inside = [];
  for (;;) {
    const some = await new Promise((found, lost) => reader.readEntries(found, lost));
    if (!some.length) break;
    inside.push(...some);
  }
  return (await Promise.all(inside.map((each) => walked(each, `${above}${entry.name}/`)))).flat();
}

export async function take(files) {
  if (!files.length) return;
  const busy = find("busy");
  busy.hidden = false;
  const refused = [];
  try {
    const { upload } = await send("POST", "/api/uploads");
    const waiting = [...files];
    let done = 0;
    const worker = async () => {
      for (let next = waiting.shift(); next; next = waiting.shift()) {
        try {
          await putFile(upload, next[0], next[1]);
        } catch (error) {
          refused.push(error.message);
        }
        busy.textContent = `Reading ${++done} of ${files.length} …`;
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
    const state = await send("POST", `/api/uploads/${upload}`);
    refused.push(...state.refused);
    await adopt(state);
  } catch (error) {
    failed(error);
  }
  busy.hidden = true;
  if (refused.length) failed(`${refused[0]}${refused.length > 1 ? ` (and ${refused.length - 1} more)` : ""}`);
}
