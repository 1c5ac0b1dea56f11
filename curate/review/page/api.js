// Requests to the server: the token, one write at a time, and waiting while the server is gone.

const RETRY_MS = 2000;

export const connection = new EventTarget(); // "lost", "back", "denied", "writing"
let token = new URLSearchParams(location.search).get("token") ?? "";
let place = ""; // the folder that is shown
let gone = false;
let denied = false;
let ended = false;
let failed = false;
let wake = () => {};
let writes = Promise.resolve();
let open = 0;

export class ApiError extends Error {
  constructor(status, body) {
    super(body.message ?? `The server answered with status ${status}`);
    this.status = status;
    this.remedy = body.remedy ?? "";
    this.now = body.now ?? null;
  }
}

export class GoneError extends Error {}

export const isConflict = (error) => error instanceof ApiError && error.status === 409 && error.now !== null;

// After this nobody answers, and that is as it should be.
export function end() {
  ended = true;
  connection.dispatchEvent(new Event("ended"));
}

export const pendingWrites = () => open;
export const lastWriteFailed = () => failed;
export const retryNow = () => wake();

// A server that is started anew has a new token. Only pages of this address hear each other: the one that was opened
// with the new token tells it to those that were open before, so that they go on.
const tabs = new BroadcastChannel("curate review");

export function tellTabs(folder) {
  place = folder;
  tabs.postMessage({ place, token });
}

tabs.addEventListener("message", ({ data }) => {
  if (data.token === token || (place && data.place !== place)) return;
  token = data.token;
  history.replaceState(history.state, "", `${location.pathname}?${new URLSearchParams({ token })}${location.hash}`);
  wake();
});

function path(id) {
  return id.split("/").map(encodeURIComponent).join("/");
}

export const thumbnailUrl = (row) => address("thumb", row.id, row.version);
export const pictureUrl = (row) => address("picture", row.id, row.version);
export const sourceUrl = (row) => address("source", row.id, row.version);
export const maskUrl = (row) => address("mask", row.id, Date.now());

// What lies beside a page has no query in its address: here the token is part of the path.
export const reportUrl = () => `/report/${encodeURIComponent(token)}/report.html`;

function address(kind, id, version) {
  return `/${kind}/${path(id)}?token=${encodeURIComponent(token)}&v=${encodeURIComponent(version)}`;
}

async function once(method, url, { body, type, signal } = {}) {
  const headers = { "X-Curate-Token": token };
  if (body !== undefined) headers["Content-Type"] = type ?? "application/json";
  let response;
  try {
    response = await fetch(url, { method, headers, body, signal, cache: "no-store" });
  } catch (error) {
    if (signal?.aborted) throw error;
    if (!gone && !ended) connection.dispatchEvent(new Event("lost"));
    gone = true;
    throw new GoneError();
  }
  // one that was started anew has another token: to this page it is as gone as before
  if (response.status === 403) {
    if (!denied) connection.dispatchEvent(new Event("denied"));
    gone = denied = true;
    throw new GoneError();
  }
  if (gone) connection.dispatchEvent(new Event("back"));
  gone = denied = false;
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new ApiError(response.status, answer);
  return answer;
}

export const get = (url, signal) => once("GET", url, { signal });
export const getPicture = (id) => get(`/api/picture/${path(id)}`);

// Writes go out one after the other. `make` builds the body when its turn comes. Without a server it waits and tries again.
function write(method, url, make, type) {
  const turn = writes.then(async () => {
    const body = await make();
    for (;;) {
      try {
        return await once(method, url, { body, type });
      } catch (error) {
        if (!(error instanceof GoneError)) throw error;
        await pause();
      }
    }
  });
  count(1);
  writes = turn.then(() => count(-1, false), () => count(-1, true));
  return turn;
}

function count(step, hasFailed = failed) {
  open += step;
  failed = hasFailed;
  connection.dispatchEvent(new Event("writing"));
}

function pause() {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, RETRY_MS);
    wake = () => {
      clearTimeout(timer);
      resolve();
    };
  });
}

export function post(url, body) {
  const make = typeof body === "function" ? body : () => body;
  return write("POST", url, async () => JSON.stringify(await make()), "application/json");
}

export const postMask = (id, blob) => write("POST", `/api/mask/${path(id)}`, () => blob, "image/png");
export const deleteMask = (id) => write("DELETE", `/api/mask/${path(id)}`, () => undefined);
