// Every key in one table: what runs, where it counts, and the help page that lists them.

import { el, isTyping } from "./dom.js";

const PLACES = {
  all: "Everywhere", grid: "In the grid", picture: "With one picture open", chips: "On a tag of the picture",
  crop: "While cropping", mask: "While painting the mask",
};
const SHOWN = {
  ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓", " ": "Space", Escape: "Esc", Delete: "Del",
};
const table = []; // { place, keys, text, run, need }
const dialog = document.getElementById("help");
let place = "grid";

// `need` names what the server must be able to do; buttons say it as data-need, and base.css hides those it cannot do.
export function bind(where, keys, text, run, need = "") {
  table.push({ place: where, keys: [keys].flat(), text, run, need });
}

const possible = ({ need }) => !need || (document.body.dataset.can ?? "").split(" ").includes(need);

export function setPlace(name) {
  place = name;
  document.body.dataset.place = name;
}

export const currentPlace = () => place;

// "Ctrl+Shift+a"; Shift counts only with keys that have no sign of their own (arrows, Space, Enter …)
function name(event) {
  const long = event.key.length > 1 || event.key === " ";
  const parts = [];
  if (event.ctrlKey || event.metaKey) parts.push("Ctrl");
  if (event.altKey) parts.push("Alt");
  if (event.shiftKey && long) parts.push("Shift");
  parts.push(event.ctrlKey || event.metaKey ? lower(event.key) : event.key);
  return parts.join("+");
}

const lower = (key) => (key.length === 1 ? key.toLowerCase() : key);

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || document.querySelector("dialog[open]")) return;
  const key = name(event);
  if (isTyping(event.target)) {
    if (key === "Escape") leave(event);
    return;
  }
  const pressed = event.target.closest?.("button, a, summary, input") && (key === " " || key === "Enter");
  if (pressed) return;
  const entry = table.find((one) => one.run && one.keys.includes(key) && possible(one) && (one.place === place || one.place === "all"));
  if (!entry) return;
  event.preventDefault();
  entry.run(event);
});

// Esc leaves a field, and nothing else: what is selected or open stays.
function leave(event) {
  event.preventDefault();
  event.target.blur();
  document.querySelector(place === "grid" ? "#grid" : "canvas.stage").focus({ preventScroll: true });
}

const pretty = (key) => key.split(/(?<=.)\+(?=.)/).map((part) => SHOWN[part] ?? part).join("+");

export function showHelp() {
  const sections = Object.entries(PLACES).map(([where, title]) => {
    const rows = table.filter((one) => one.place === where && one.text && possible(one));
    return rows.length && el("section", {}, el("h3", {}, title), el("dl", {}, rows.map(({ keys, text }) => [
      el("dt", {}, keys.map((key) => el("kbd", {}, pretty(key)))), el("dd", {}, text),
    ]).flat()));
  });
  dialog.querySelector(".sections").replaceChildren(...sections.filter(Boolean));
  dialog.showModal();
}

dialog.addEventListener("keydown", (event) => {
  if (event.key === "?") dialog.close();
});
