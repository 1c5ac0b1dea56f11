// A caption that changed on disk while it was edited here: both texts side by side, and the person decides.

import { button, el } from "./dom.js";
import { difference } from "./difference.js";
import { fileName } from "./store.js";

const dialog = document.getElementById("conflict");

// Resolves to "mine" or "disk". Closing the dialog keeps what is on disk.
export function resolveConflict(id, disk, mine) {
  return new Promise((resolve) => {
    let answer = "disk";
    const decide = (value) => () => {
      answer = value;
      dialog.close();
    };
    dialog.replaceChildren(
      el("h2", { id: "conflict-title" }, "The caption of ", el("bdi", {}, fileName({ id })), " changed on disk"),
      el("p", {}, "Another program, tab or person changed it after it was shown here. Nothing was overwritten."),
      el("div", { class: "sides" },
        el("section", {}, el("h3", {}, "On disk now"), el("pre", {}, disk), button("Keep the text on disk", decide("disk"))),
        el("section", {}, el("h3", {}, "Yours"), el("pre", {}, mine), button("Save yours instead", decide("mine")))),
      el("h3", {}, "Difference, from disk to yours"), difference(disk, mine),
    );
    dialog.addEventListener("close", () => resolve(answer), { once: true });
    dialog.showModal();
  });
}
