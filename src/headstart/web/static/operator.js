// The operator's pages: always as the server has them, and ages that go on between two looks.

import { leftS } from "./clock.js";
import { begin, localise, onSwap, region } from "./region.js";
import { connect, poll } from "./stream.js";

const TICK_MS = 1000;
const LOOK_AT_MOST_EVERY_MS = 2000; // a busy shop has news all the time
const SOON = 0.8;

let lookedAt = 0;
let waiting = null;

function show(age) {
  const { since, limit } = age.dataset;
  const left = leftS(limit);
  const whole = (Date.parse(limit) - Date.parse(since)) / 1000;
  const used = whole > 0 ? Math.max(0, 1 - left / whole) : 1;
  age.querySelector(".used").setAttribute("width", Math.min(100, 100 * used));
  age.className = `age ${used >= 1 ? "bad" : used >= SOON ? "soon" : "well"}`;
  age.querySelector(".left").textContent = words(left);
}

function words(left) {
  const seconds = Math.abs(left);
  const length = seconds < 120 ? `${seconds} s` : seconds < 7200 ? `${Math.floor(seconds / 60)} min` : `${Math.floor(seconds / 3600)} h`;
  return left >= 0 ? `${length} left` : `over by ${length}`;
}

function tick() {
  for (const age of document.querySelectorAll(".age")) show(age);
}

// News come one by one, and one look shows them all. The page of one request has no other's.
function onNews(_, frame) {
  const { session } = region().dataset;
  if (session && session !== frame.session_id) return;
  waiting ??= setTimeout(() => {
    [waiting, lookedAt] = [null, Date.now()];
    poll();
  }, Math.max(0, lookedAt + LOOK_AT_MOST_EVERY_MS - Date.now()));
}

localise(document);
if (region()) {
  begin();
  onSwap(tick);
  connect(onNews);
  setInterval(tick, TICK_MS);
  addEventListener("pageshow", (event) => event.persisted && poll());
  tick();
}
