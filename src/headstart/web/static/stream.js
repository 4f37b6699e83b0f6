// The stream brings news at once; polling is the guarantee; the banner says which of them works.

import { heard } from "./clock.js";
import { refresh, region } from "./region.js";

const EVENTS = [
  "priority_session_request", "request_reserved", "new_request", "priority_window_shortened",
  "priority_window_extended", "priority_window_ended", "request_accepted", "mechanic_joined", "request_released",
  "session_completed", "request_cancelled", "request_unfilled",
];
const PATIENCE_MS = 3000;
const POLL_MS = 30_000;
const POLL_DOWN_MS = 5000;
const REOPEN_MS = 2000;
const SILENCE_MS = 25_000; // two heartbeats and some: a connection can be dead without an error
const JITTER_MS = 2000; // a server that comes back is not asked by everybody at once

const known = new Map(); // newest version seen, by session request
let source = null;
let heardAt = Date.now();
let downSince = null;
let polledAt = 0;
let answeredAt = new Date();
let reachable = true;
let signedOut = false;
let suspended = false;
let ready = false;
let wasReady = false;
let promise = () => "";
const listeners = [];

export const life = () => (ready && reachable && !signedOut ? "on" : wasReady ? "off" : "begun");
export const onLife = (listener) => listeners.push(listener);

function isNews(frame) {
  const shown = region().querySelector(`[data-session="${frame.session_id}"]:not([data-ended])`);
  const version = Math.max(known.get(frame.session_id) ?? 0, Number(shown?.dataset.version ?? 0));
  known.set(frame.session_id, Math.max(version, frame.version));
  return frame.version > version;
}

function open(onNews) {
  source?.close();
  source = new EventSource("/api/v1/stream");
  ready = false;
  heardAt = Date.now();
  source.addEventListener("heartbeat", () => (heardAt = Date.now()));
  source.addEventListener("snapshot", poll); // whatever happened before the stream was open
  source.addEventListener("resync", poll);
  source.addEventListener("ended", (event) => {
    suspended = JSON.parse(event.data).reason === "suspended";
    poll();
  });
  source.addEventListener("ready", () => {
    [downSince, suspended, ready, wasReady] = [null, false, true, true];
    show();
  });
  for (const name of EVENTS) {
    source.addEventListener(name, (event) => {
      heardAt = Date.now();
      const frame = JSON.parse(event.data);
      heard(frame.server_now);
      if (!isNews(frame)) return;
      if (ready) onNews(name, frame);
      else poll(); // what was missed: the page as it stands now is the truth about all of it
    });
  }
  source.onerror = () => {
    ready = false;
    if (downSince === null) setTimeout(poll, JITTER_MS * Math.random());
    downSince ??= Date.now();
    const closed = source.readyState === EventSource.CLOSED;
    if (closed) setTimeout(open, REOPEN_MS + JITTER_MS * Math.random(), onNews);
  };
}

export async function poll() {
  polledAt = Date.now();
  try {
    await refresh();
    [reachable, signedOut, answeredAt] = [true, false, new Date()];
  } catch (error) {
    signedOut = error.status === 401;
    reachable = error.status < 500; // undefined, when nobody answered, is not
  }
  show();
}

function truth() {
  const last = answeredAt.toLocaleTimeString();
  if (signedOut) return "You are signed out. Go to the front page to sign in again.";
  if (suspended) return "You are suspended: no offers come to you. A job you have stays yours.";
  if (!reachable) return `No connection. What you see is from ${last}. ${promise() || "Nothing is lost: the server goes on."}`;
  if (downSince === null || Date.now() - downSince < PATIENCE_MS) return "";
  return `Reconnecting. ${promise()} Until then this page looks every ${POLL_DOWN_MS / 1000} seconds; last at ${last}.`;
}

function show() {
  const banner = document.getElementById("connection");
  banner.textContent = truth();
  banner.hidden = !banner.textContent;
  for (const listener of listeners) listener();
}

// ``kept`` says what the page may promise while nobody answers.
export function connect(onNews = poll, kept = promise) {
  promise = kept;
  open(onNews);
  for (const change of ["online", "offline"]) addEventListener(change, poll);
  setInterval(() => {
    if (source.readyState === EventSource.OPEN && Date.now() - heardAt > SILENCE_MS) open(onNews);
    const every = downSince === null && reachable ? POLL_MS : POLL_DOWN_MS;
    if (Date.now() - polledAt >= every) poll();
    else show();
  }, 1000);
}
