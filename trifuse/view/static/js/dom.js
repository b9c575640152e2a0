// Small helpers; all text goes in as text, never as markup.

export function make(tag, traits = {}, ...children) {
  const element = Object.assign(document.createElement(tag), traits);
  element.append(...children);
  return element;
}

export const option = (value, label) => make("option", { value, textContent: label });
export const find = (id) => document.getElementById(id);

let hiding = 0;

export function failed(error) {
  const toast = find("toast");
  toast.textContent = error?.message ?? String(error);
  toast.hidden = false;
  clearTimeout(hiding);
  hiding = setTimeout(() => (toast.hidden = true), 9000);
}
