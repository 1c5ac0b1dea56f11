// The filter as plain values: which pictures it shows, in which order, and how it is written in the page's address.

import { compare, fileName, folded, haystack, state } from "./store.js";

export const EMPTY = Object.freeze({
  q: "", concept: "", with: [], without: [], rating: "", state: "set", reason: "", edited: "", dup: "", low: "", mask: "",
  change: "", tokens: "", check: "", sort: "name", down: "",
});

export const SORTS = {
  name: ["Name", (row) => `${row.concept}/${row.id.slice(row.id.indexOf("/") + 1)}`.toLowerCase()],
  score: ["Quality score", (row) => row.score],
  size: ["Size in pixels", (row) => (row.width === null ? null : row.width * row.height)],
  sharpness: ["Sharpness", (row) => row.sharpness],
  loss: ["Loss in training", (row) => row.loss],
  tokens: ["Caption length", (row) => row.tokens],
};

export function parse(fragment) {
  const values = new URLSearchParams(fragment.replace(/^#/, ""));
  const filter = { ...EMPTY };
  for (const key of Object.keys(EMPTY)) {
    if (!values.has(key)) continue;
    filter[key] = Array.isArray(EMPTY[key]) ? values.getAll(key) : values.get(key);
  }
  if (!(filter.sort in SORTS)) filter.sort = "name";
  return filter;
}

export function format(filter, id = "") {
  const values = new URLSearchParams();
  for (const [key, empty] of Object.entries(EMPTY)) {
    if (Array.isArray(empty)) filter[key].forEach((tag) => values.append(key, tag));
    else if (filter[key] !== empty) values.set(key, filter[key]);
  }
  if (id) values.set("id", id);
  return values.toString();
}

export const isEmpty = (filter) => format({ ...filter, sort: "name", down: "" }) === "";

// The kind of a reason: what stands before the colon, without the name of the picture that a duplicate is of.
export const reasonKind = (reason) => (/^(?:near )?duplicate(?= of )/.exec(reason) ?? reason.split(/[:(]/, 1))[0].trim();

// "76-": at least 76 tokens; "-10": at most 10; "20-40": both ends count.
export function range(text) {
  const parts = /^(\d*)\s*-\s*(\d*)$/.exec(text.trim());
  const number = /^\d+$/.exec(text.trim());
  if (number) return [Number(text), Number(text)];
  return parts ? [Number(parts[1] || 0), parts[2] === "" ? Infinity : Number(parts[2])] : [0, Infinity];
}

const yesNo = (wanted, is) => wanted === "" || is === (wanted === "yes");

export function matcher(filter) {
  const place = new Map(state.tags.map((tag, i) => [folded(tag), i]));
  const present = filter.with.map((tag) => place.get(folded(tag)) ?? -1);
  const absent = filter.without.map((tag) => place.get(folded(tag)) ?? -1);
  const words = filter.q.toLowerCase().split(/\s+/).filter(Boolean);
  const [least, most] = range(filter.tokens);
  const checked = filter.check && (state.checks?.get(filter.check)?.ids ?? new Set());
  return (row) =>
    (filter.state === "all" || (row.aside !== null) === (filter.state === "aside"))
    && (filter.reason === "" || (row.aside !== null && reasonKind(row.aside) === filter.reason))
    && (filter.concept === "" || row.concept === filter.concept)
    && (filter.rating === "" || (row.rating ?? "none") === filter.rating)
    && yesNo(filter.edited, row.edited)
    && yesNo(filter.dup, row.duplicate_of !== null)
    && yesNo(filter.low, row.low.length > 0)
    && yesNo(filter.mask, row.mask)
    && yesNo(filter.change, Boolean((row.transform && !row.transform_done) || row.concept_next))
    && (filter.tokens === "" || (row.tokens !== null && row.tokens >= least && row.tokens <= most))
    && (!checked || checked.has(row.id))
    && present.every((i) => row.tags.includes(i))
    && !absent.some((i) => row.tags.includes(i))
    && words.every((word) => haystack(row).includes(word));
}

// The pictures that the filter shows, in its order. Pictures without the value come last either way.
export function shown(filter) {
  const value = SORTS[filter.sort][1];
  const sign = filter.down ? -1 : 1;
  const rows = [...state.pictures.values()].filter(matcher(filter)).map((row) => [value(row) ?? null, row]);
  rows.sort(([a, first], [b, second]) => {
    if (a === null || b === null) return (a === null) - (b === null) || compare(first.id, second.id);
    return sign * compare(a, b) || compare(fileName(first), fileName(second));
  });
  return rows.map(([, row]) => row);
}
