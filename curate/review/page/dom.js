// Builds elements. Text becomes text nodes alone, never markup: names and tags of files are hostile until shown.

export function el(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) set(node, key, value);
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

function set(node, key, value) {
  if (value === null || value === undefined || value === false) return;
  if (key === "on") {
    for (const [event, listener] of Object.entries(value)) node.addEventListener(event, listener);
  } else if (key === "value" || key === "checked" || key === "disabled" || key === "hidden") {
    node[key] = value;
  } else {
    node.setAttribute(key, value === true ? "" : value);
  }
}

export function button(text, run, attributes = {}) {
  return el("button", { type: "button", on: { click: run }, ...attributes }, text);
}

export function labelled(text, field, attributes = {}) {
  return el("label", { class: "field", ...attributes }, el("span", {}, text), field);
}

// choices: [value, text] pairs
export function select(choices, value, change, attributes = {}) {
  const node = el("select", { ...attributes, on: { change: () => change(node.value) } });
  fillSelect(node, choices, value);
  return node;
}

export function fillSelect(node, choices, value) {
  const same = node.options.length === choices.length
    && choices.every(([key, text], i) => node.options[i].value === key && node.options[i].textContent === text);
  if (!same) node.replaceChildren(...choices.map(([key, text]) => el("option", { value: key }, text)));
  node.value = value;
}

export function counted(count, word) {
  return `${count.toLocaleString("en")} ${count === 1 ? word : `${word}s`}`;
}

// Shows right-to-left text and lone control characters so that they cannot change the direction of what is around.
export function isolated(text, attributes = {}) {
  return el("bdi", attributes, text);
}

export function isTyping(target) {
  if (target instanceof HTMLInputElement) return !["checkbox", "radio", "range", "button"].includes(target.type);
  return target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement;
}

export function debounced(milliseconds, run) {
  let timer = 0;
  return (...values) => {
    clearTimeout(timer);
    timer = setTimeout(() => run(...values), milliseconds);
  };
}
