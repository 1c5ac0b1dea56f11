// What the page knows of the folder: the index of all pictures, kept in step with the server.

import { ApiError, get, GoneError, tellTabs } from "./api.js";

const POLL_MS = 2000;

export const state = {
  folder: "", server: "", prepared: false, revision: 0, concepts: [], tags: [], texts: [], pictures: new Map(), waiting: false, messages: [],
  can_check: false, report: false,
  checks: null, // what each check found, by its name; null until they were made
  not_checked: [], // checks that could not be made, each with the reason
};
export const store = new EventTarget(); // "change": rows, tags or concepts changed; detail is the set of ids, null for all
const haystacks = new WeakMap();

export async function load() {
  const index = await get("/api/index");
  Object.assign(state, { messages: [] }, index, { pictures: new Map(index.pictures.map((row) => [row.id, row])) });
  // what the server can do to pictures: base.css hides the buttons of the rest, and keys.js its keys
  document.body.dataset.can = index.can.join(" ");
  changed(null);
  tellTabs(index.place);
}

function changed(ids) {
  store.dispatchEvent(new CustomEvent("change", { detail: ids }));
}

// Makes the checks anew. What they found stays until the next time, so that one can work through it.
export async function makeChecks() {
  const answer = await get("/api/checks");
  state.checks = new Map(answer.checks.map((one) => [one.check, { ...one, ids: new Set(one.pictures) }]));
  state.not_checked = answer.not_checked;
  changed(null);
}

let refreshing = null;

// Asks what changed since the last answer; calls that come while one runs share a second one after it.
export function refresh() {
  if (refreshing) return refreshing.again ??= refreshing.then(refresh);
  refreshing = ask().finally(() => { refreshing = null; });
  return refreshing;
}

async function ask() {
  const answer = await get(`/api/changes?since=${state.revision}&tags=${state.tags.length}`);
  // revisions and numbers of tags are those of one server
  if (answer.reload || answer.server !== state.server) return load();
  const ids = new Set(answer.removed ?? []);
  for (const id of ids) state.pictures.delete(id);
  state.tags.push(...(answer.tags ?? []));
  state.texts.push(...(answer.texts ?? []));
  for (const row of answer.pictures) {
    state.pictures.set(row.id, row);
    ids.add(row.id);
  }
  const news = ids.size || answer.waiting !== state.waiting || answer.report !== state.report || answer.tags?.length;
  state.revision = answer.revision;
  Object.assign(state, { waiting: answer.waiting, report: answer.report });
  Object.assign(state, { concepts: answer.concepts ?? state.concepts, messages: answer.messages ?? state.messages });
  if (news) changed(ids);
  return undefined;
}

export function watch() {
  const tick = async () => {
    if (!document.hidden) await quietly(refresh);
    setTimeout(tick, POLL_MS);
  };
  setTimeout(tick, POLL_MS);
  window.addEventListener("focus", () => quietly(refresh));
}

// A server that is gone has its own banner.
export async function quietly(run) {
  try {
    await run();
  } catch (error) {
    if (!(error instanceof GoneError || error instanceof ApiError)) throw error;
  }
}

// A tag as the captions of the folder write it.
export const tagText = (tag) => state.texts[state.tags.indexOf(tag)] ?? tag;
export const tagNames = (row) => row.tags.map((i) => state.tags[i]);
export const fileName = (row) => row.id.slice(row.id.lastIndexOf("/") + 1);

// Everything that a text search looks through, in lower case.
export function haystack(row) {
  let text = haystacks.get(row);
  if (text === undefined) {
    text = [row.id, row.source ?? "", tagNames(row).join(", "), row.tags.map((i) => state.texts[i]).join(", "), row.sentence].join("\n").toLowerCase();
    haystacks.set(row, text);
  }
  return text;
}

// Tags are the same with spaces or underscores, in any case.
export const folded = (tag) => tag.toLowerCase().replaceAll("_", " ");

// Tags of the folder that hold the words, most frequent first; what starts with them comes before.
export function folderTags(words, limit = 20) {
  const wanted = folded(words.trim());
  const counts = new Map();
  for (const row of state.pictures.values()) for (const i of row.tags) counts.set(i, (counts.get(i) ?? 0) + 1);
  return [...counts]
    .map(([i, count]) => ({ tag: state.tags[i], text: state.texts[i], count, alias: null }))
    .filter(({ tag }) => folded(tag).includes(wanted))
    .sort((a, b) => rank(b, wanted) - rank(a, wanted) || b.count - a.count || compare(a.tag, b.tag))
    .slice(0, limit);
}

const rank = ({ tag }, wanted) => (folded(tag).startsWith(wanted) ? 1 : 0);
export const compare = (a, b) => (a < b ? -1 : Number(a > b));
