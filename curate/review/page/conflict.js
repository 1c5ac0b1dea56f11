// A caption that changed on disk while it was edited here: both texts side by side, and the person decides.

import { button, el } from "./dom.js";
import { difference } from "./difference.js";
import { fileName } from "./store.js";

const dialog = document.getElementById("conflict");

// `disk`: the text there now; `result`: the same with the person's change; `before`: what was shown here.
// Resolves to "mine" or "disk", or to "open" where the person closed the dialog: what was typed then waits in its field.
export function resolveConflict(id, { disk, result, before }) {
  return new Promise((resolve) => {
    let answer = "open";
    const decide = (value) => () => {
      answer = value;
      dialog.close();
    };
    dialog.replaceChildren(
      el("h2", { id: "conflict-title" }, "The caption of ", el("bdi", {}, fileName({ id })), " changed on disk"),
      el("p", {}, "Another program, tab or person changed it after it was shown here. Nothing was overwritten. Esc leaves the decision for later."),
      el("div", { class: "sides" },
        el("section", {}, el("h3", {}, "On disk now"), el("pre", {}, disk), button("Keep the text on disk", decide("disk"))),
        el("section", {}, el("h3", {}, "Yours: the same with your change"), el("pre", {}, result), button("Save yours", decide("mine")))),
      el("h3", {}, "Changed on disk since it was shown here"), difference(before, disk),
    );
    dialog.addEventListener("close", () => resolve(answer), { once: true });
    dialog.showModal();
  });
}
