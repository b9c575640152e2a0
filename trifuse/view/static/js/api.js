// Requests to the server; an error of ours is a line for people.

export class Refused extends Error {}

async function answered(response) {
  if (response.ok) return response;
  let text = `the viewer does not answer (${response.status})`;
  try {
    text = (await response.json()).error ?? text;
  } catch {
    if (response.status === 401) text = "open the address that trifuse view printed";
  }
  throw new Refused(text);
}

export async function getJson(path) {
  return (await answered(await fetch(path))).json();
}

export async function getBytes(path) {
  return (await answered(await fetch(path))).arrayBuffer();
}

export async function send(method, path, body) {
  const options = { method };
  if (body !== undefined) {
    options.body = JSON.stringify(body);
    options.headers = { "content-type": "application/json" };
  }
  return (await answered(await fetch(path, options))).json();
}

export async function putFile(upload, name, file) {
  const headers = { "x-file-name": encodeURIComponent(name), "content-type": "application/octet-stream" };
  return answered(await fetch(`/api/uploads/${upload}`, { method: "PUT", body: file, headers }));
}
