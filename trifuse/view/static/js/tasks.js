// Tasks as the server tells of them; they go on without the page.
import { getJson, send } from "./api.js";
import { failed, find, make } from "./dom.js";
import { refresh } from "./load.js";
import { app } from "./state.js";

const ENDED = ["done", "failed", "cancelled"];
let timer = 0;
let ended = new Set();

export async function follow() {
  clearTimeout(timer);
  let tasks;
  try {
    tasks = await getJson("/api/tasks");
  } catch (error) {
    return failed(error);
  }
  show(tasks);
  const fresh = tasks.filter((task) => ENDED.includes(task.state) && !ended.has(task.key));
  ended = new Set(tasks.filter((task) => ENDED.includes(task.state)).map((task) => task.key));
  if (fresh.some((task) => task.state === "done")) await refresh(fresh.flatMap((task) => task.images));
  if (tasks.some((task) => !ENDED.includes(task.state))) timer = setTimeout(follow, 500);
}

export function show(tasks) {
  app.tasks = tasks;
  find("tasks").replaceChildren(...(tasks.length ? tasks.map(row) : [make("li", {}, make("small", { textContent: "none yet" }))]));
}

function row(task) {
  const going = !ENDED.includes(task.state);
  const button = make("button", { type: "button", textContent: going ? "Cancel" : "Remove" });
  button.setAttribute("aria-label", `${button.textContent} ${task.title}`);
  button.addEventListener("click", () => cancel(task.key));
  const line = make("div", { className: "line" }, make("span", { textContent: task.title }));
  if (task.command) line.append(commandButton(task));
  line.append(button);
  const item = make("li", {}, line);
  item.dataset.state = task.state;
  if (going) item.append(bar(task));
  item.append(make("small", { className: task.error ? "bad" : "", textContent: task.error || words(task) }));
  return item;
}

function bar(task) {
  const progress = make("progress", { max: task.progress?.total || 1 });
  if (task.progress) progress.value = task.progress.done;
  progress.setAttribute("aria-label", task.title);
  return progress;
}

function words(task) {
  const at = task.progress && task.state === "running" ? `${task.progress.label} ${task.progress.done} of ${task.progress.total}, ` : "";
  return `${task.state}, ${at}${task.seconds} s`;
}

function commandButton(task) {
  const button = make("button", { type: "button", textContent: "$", title: "The same on the command line" });
  button.setAttribute("aria-label", `Command line of ${task.title}`);
  button.addEventListener("click", () => {
    find("command-text").textContent = task.command;
    find("command").showModal();
  });
  return button;
}

export async function cancel(key) {
  try {
    await send("DELETE", `/api/tasks/${key}`);
  } catch (error) {
    failed(error);
  }
  follow();
}

export function cancelRunning() {
  const going = (app.tasks ?? []).filter((task) => !ENDED.includes(task.state));
  if (going.length) cancel(going[0].key);
}

export function start() {
  find("command").addEventListener("close", () => {
    if (find("command").returnValue === "copy") navigator.clipboard?.writeText(find("command-text").textContent);
  });
}
