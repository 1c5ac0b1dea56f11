// Short messages: a line that goes away, the banner of a lost server, and what a screen reader hears.

import { ApiError, connection, lastWriteFailed, pendingWrites, retryNow } from "./api.js";
import { button, el } from "./dom.js";

const SHOWN_MS = 8000;
const banner = document.getElementById("banner");
const list = document.getElementById("notices");
const live = document.getElementById("live");
const saving = document.getElementById("saving");

export function announce(text) {
  live.textContent = text;
}

// A line's "Undo" takes back the last change, whatever the line says: after the next change it would be another one.
export function dropActions() {
  list.querySelectorAll(".action").forEach((one) => one.remove());
}

// `action` is a pair: the button's text and what it runs.
export function notice(text, { kind = "done", action = null } = {}) {
  const close = () => line.remove();
  const line = el("div", { class: `notice ${kind}`, role: kind === "error" ? "alert" : "status" }, el("span", {}, text));
  if (action) {
    dropActions();
    line.append(button(action[0], () => { close(); action[1](); }, { class: "action" }));
  }
  line.append(button("×", close, { class: "quiet", "aria-label": "Close the message" }));
  list.append(line);
  while (list.children.length > 3) list.firstChild.remove();
  setTimeout(close, kind === "error" ? 2 * SHOWN_MS : SHOWN_MS);
}

export function fail(error) {
  if (!(error instanceof ApiError)) throw error;
  notice([error.message, error.remedy].filter(Boolean).join(" – "), { kind: "error" });
}

function showBanner(text, ...more) {
  banner.replaceChildren(el("span", {}, text), ...more);
  banner.hidden = false;
}

connection.addEventListener("lost", () => {
  showBanner(
    "The server does not answer. What you type is kept here and saved when it is back. ",
    button("Try again", retryNow),
  );
});
connection.addEventListener("denied", () => {
  showBanner("`curate review` was started anew and has a new address. Open the address that it printed last in this browser: "
    + "this tab then goes on, and saves what waits here.");
});
connection.addEventListener("back", () => {
  banner.hidden = true;
  notice("The server is back.");
});
connection.addEventListener("ended", () => {
  showBanner("The run goes on. You can close this page. To see the dataset again, use `curate review`.");
  banner.setAttribute("role", "status");
  for (const part of document.querySelectorAll("header, #grid-view, #picture-view")) part.inert = true;
  document.getElementById("continue").hidden = true;
});
connection.addEventListener("writing", () => {
  const done = lastWriteFailed() ? "Not saved" : "Saved";
  saving.textContent = pendingWrites() ? "Saving …" : done;
});
window.addEventListener("beforeunload", (event) => {
  if (pendingWrites()) event.preventDefault();
});
