"use strict";
// The program of the report: turns pages of long lists, filters pictures, moves the edge between before and after.
// It writes text as text. HTML comes only from the page's own data, which Python wrote and escaped.

const byId = (name) => document.getElementById(name);
const dataOf = (name) => JSON.parse(byId(name).textContent);
const number = (value) => value.toLocaleString("en");

class Pages {
  constructor(box) {
    this.box = box;
    this.size = Number(box.dataset.size);
    this.name = box.id.replace("list-", "");
    this.nodes = [...box.children];
    this.html = null; // read when somebody turns the first page: most of a large report is in it
    this.count = Number(box.dataset.count);
    this.first = this.nodes.length;
    this.chosen = null;
    this.at = 0;
    this.bar = document.createElement("p");
    this.bar.className = "pager";
    (box.closest(".wide") || box).after(this.bar);
    this.draw();
  }
  node(at) {
    if (!this.nodes[at]) {
      this.html = this.html || dataOf("rest-" + this.name);
      const template = document.createElement("template");
      template.innerHTML = this.html[at - this.first];
      this.nodes[at] = template.content.firstElementChild;
    }
    return this.nodes[at];
  }
  choose(numbers) {
    this.chosen = numbers;
    this.at = 0;
    this.draw();
  }
  draw() {
    const total = this.chosen ? this.chosen.length : this.count;
    const end = Math.min(this.at + this.size, total);
    const shown = [];
    for (let n = this.at; n < end; n++) shown.push(this.node(this.chosen ? this.chosen[n] : n));
    if (shown.length !== this.box.childElementCount || shown.some((node) => node.parentElement !== this.box)) {
      this.box.replaceChildren(...shown);
    }
    this.bar.hidden = total <= this.size;
    const last = Math.max(0, Math.floor((total - 1) / this.size) * this.size);
    const range = `${number(this.at + 1)} to ${number(end)} of ${number(total)}`;
    this.bar.replaceChildren(
      this.button("first", 0, this.at > 0),
      this.button("previous", this.at - this.size, this.at > 0),
      Object.assign(document.createElement("span"), { textContent: range }),
      this.button("next", this.at + this.size, end < total),
      this.button("last", last, end < total),
    );
  }
  button(text, at, enabled) {
    const button = Object.assign(document.createElement("button"), { textContent: text, disabled: !enabled });
    button.onclick = () => {
      this.at = at;
      this.draw();
      this.box.scrollIntoView();
    };
    return button;
  }
}

class Filters {
  constructor(form, pages) {
    this.form = form;
    this.pages = pages;
    this.data = null;
    form.hidden = false;
    form.oninput = () => this.apply();
    form.onreset = () => setTimeout(() => this.apply());
    form.onsubmit = (event) => event.preventDefault();
    this.tell(pages.count);
  }
  read() {
    if (this.data) return;
    this.data = dataOf("data-pictures");
    this.known = new Map(this.data.tags.map((tag, at) => [tag.replaceAll(" ", "_"), at]));
  }
  tell(count) {
    const total = this.pages.count;
    byId("shown-count").textContent = `${number(count)} of ${number(total)} ${total === 1 ? "picture" : "pictures"}`;
  }
  // Numbers of the tags that a picture must have, and of those that it must not have; -1 is on no picture.
  tags() {
    const words = this.form.elements.tag.value.split(",").map((word) => word.trim().replaceAll(" ", "_"));
    const wanted = [], refused = [];
    for (const word of words.filter(Boolean)) {
      const without = word.startsWith("-") && !this.known.has(word);
      const name = without ? word.slice(1) : word;
      (without ? refused : wanted).push(this.known.has(name) ? this.known.get(name) : -1);
    }
    return [wanted, refused];
  }
  apply() {
    this.read();
    const { concept, mark, text } = this.form.elements;
    const words = text.value.toLowerCase().split(/\s+/).filter(Boolean);
    const wantedMark = this.data.marks.indexOf(mark.value);
    const [wanted, refused] = this.tags();
    const chosen = [];
    this.data.rows.forEach(([its, marks, tags, content], at) => {
      if (concept.value !== "" && its !== Number(concept.value)) return;
      if (mark.value !== "" && !marks.includes(wantedMark)) return;
      if (!wanted.every((tag) => tags.includes(tag)) || refused.some((tag) => tags.includes(tag))) return;
      if (words.every((word) => content.includes(word))) chosen.push(at);
    });
    this.pages.choose(chosen.length === this.pages.count ? null : chosen);
    this.tell(chosen.length);
  }
  only(values) {
    this.form.reset();
    for (const [name, value] of Object.entries(values)) this.form.elements[name].value = value;
    this.apply();
    byId("pictures").scrollIntoView();
  }
}

const lists = new Map([...document.querySelectorAll("[id^=list-]")].map((box) => [box.id, new Pages(box)]));
const form = byId("filters");
const filters = form && lists.has("list-pictures") ? new Filters(form, lists.get("list-pictures")) : null;

document.addEventListener("click", (event) => {
  const link = event.target.closest("[data-filter]");
  if (!link || !filters) return;
  event.preventDefault();
  filters.only(JSON.parse(link.dataset.filter));
});

// The page that `curate review` serves has its token in the address. Links lead into review there; elsewhere nobody
// knows the token, and the command can be copied.
const served = ["127.0.0.1", "localhost"].includes(location.hostname) && /^\/report\/([^/]+)\//.exec(location.pathname);

function reviewLink({ check, count }) {
  const [query, fragment] = [{ token: decodeURIComponent(served[1]) }, { check }].map((one) => new URLSearchParams(one));
  return Object.assign(document.createElement("a"), { href: `/?${query}#${fragment}`, textContent: `open ${count} in review` });
}

function copyButton(code) {
  const button = Object.assign(document.createElement("button"), { textContent: "copy" });
  button.onclick = async () => {
    try {
      await navigator.clipboard.writeText(code.textContent);
      button.textContent = "copied";
    } catch { // not allowed here
      getSelection().selectAllChildren(code);
      button.textContent = "selected: press Ctrl+C";
    }
  };
  return button;
}

for (const box of document.querySelectorAll("[data-check]")) {
  if (served) box.replaceChildren(reviewLink(box.dataset));
  else box.append(" ", copyButton(box.querySelector("code")));
}

document.addEventListener("input", (event) => {
  if (event.target.matches(".compare input")) {
    event.target.parentElement.style.setProperty("--edge", event.target.value + "%");
  }
});
