// The filter by what `curate check` finds: made when somebody asks for it, since it reads the whole folder.

import { ApiError, GoneError } from "./api.js";
import { button, counted, el, fillSelect, labelled, select } from "./dom.js";
import { makeChecks, state } from "./store.js";

// `change` hears the name of the check that a person chose, "" for any picture.
export function checksField(change) {
  let wanted = "";
  let running = false;
  let problem = "";
  const choice = select([], "", change);
  const field = labelled("Found by a check", choice);
  const run = button("Run the checks", make, { class: "quiet", id: "run-checks" });
  const about = el("div", { id: "check-found", class: "hint", role: "status" });

  async function make() {
    if (running) return;
    running = true;
    problem = "";
    draw();
    try {
      await makeChecks();
    } catch (error) {
      if (!(error instanceof ApiError || error instanceof GoneError)) throw error;
      problem = error instanceof ApiError ? error.message : "Not checked: the server did not answer.";
    } finally {
      running = false;
      draw();
    }
  }

  function draw() {
    const found = state.checks?.get(wanted);
    const all = [...(state.checks?.values() ?? [])];
    const choices = all.map((one) => [one.check, `${one.name} (${one.ids.size.toLocaleString("en")})`]);
    if (wanted && !found) choices.push([wanted, `${wanted} (0)`]);
    fillSelect(choice, [["", "any"], ...choices], wanted);
    field.hidden = !state.checks && !wanted;
    run.disabled = running;
    run.textContent = state.checks ? "Check again" : "Run the checks";
    about.replaceChildren(...lines(found));
  }

  function lines(found) {
    if (running) return ["Checking …"];
    if (problem) return [problem];
    if (!state.checks) return [];
    if (found) return found.findings.map(({ message, remedy }) => el("p", {}, message, el("br"), `Remedy: ${remedy}`));
    const missing = wanted && state.not_checked.find(({ check }) => check === wanted);
    if (missing) return [`Not checked: ${[missing.reason, missing.remedy].filter(Boolean).join("; ")}`];
    if (wanted) return ["This check finds nothing now."];
    return [state.checks.size ? `${counted(state.checks.size, "check")} found something.` : "The checks found nothing wrong."];
  }

  function show(check) {
    wanted = check;
    node.hidden = !state.can_check;
    if (wanted && state.can_check && !state.checks && !running && !problem) make();
    draw();
  }

  const node = el("div", { class: "field" }, field, run, about);
  return { node, show };
}
