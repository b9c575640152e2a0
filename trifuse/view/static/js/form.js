// Form fields made from JSON schemas, as pydantic writes them.
import { make, option } from "./dom.js";

// What kinds of value a schema allows: [{type, enum}], null among them where it may be left out.
function kinds(schema) {
  const any = schema.anyOf ?? schema.oneOf ?? [schema];
  return any.flatMap((each) => (Array.isArray(each.type) ? each.type.map((type) => ({ ...each, type })) : [each]));
}

// A labelled field, and a function that gives its value; undefined where it is as it was.
export function field({ name, help, schema, default: initial }) {
  const allowed = kinds(schema);
  const choices = schema.enum ?? allowed.find((each) => each.enum)?.enum ?? (schema.const !== undefined ? [schema.const] : null);
  const numeric = allowed.find((each) => ["integer", "number"].includes(each.type));
  const words = name.replaceAll("_", " ");
  let input;
  let read;
  if (choices) {
    input = make("select", {}, ...choices.map((each) => option(JSON.stringify(each), String(each))));
    input.value = JSON.stringify(initial);
    read = () => JSON.parse(input.value);
  } else if (allowed.some((each) => each.type === "boolean")) {
    input = make("input", { type: "checkbox", checked: Boolean(initial) });
    read = () => input.checked;
  } else if (numeric && allowed.every((each) => ["integer", "number", "null"].includes(each.type))) {
    input = make("input", { type: "number", step: numeric.type === "integer" ? 1 : "any" });
    const bounds = { ...schema, ...numeric };
    if (bounds.minimum !== undefined) input.min = bounds.minimum;
    if (bounds.maximum !== undefined) input.max = bounds.maximum;
    input.value = initial ?? "";
    read = () => (input.value === "" ? null : input.valueAsNumber);
  } else {
    input = make("input", { type: "text", value: initial === null ? "" : typeof initial === "string" ? initial : JSON.stringify(initial) });
    const first = input.value;
    read = () => (input.value === first ? initial : input.value);
  }
  input.name = name;
  input.title = help;
  const label = input.type === "checkbox"
    ? make("label", { className: "check", title: help }, input, words)
    : make("label", { title: help }, `${words} `, input);
  const value = () => {
    const now = read();
    return JSON.stringify(now) === JSON.stringify(initial) ? undefined : now;
  };
  return { label, value, name };
}

export function valuesOf(fields) {
  return Object.fromEntries(fields.map((each) => [each.name, each.value()]).filter(([, value]) => value !== undefined));
}
