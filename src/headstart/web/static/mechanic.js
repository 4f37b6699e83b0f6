// The mechanic's page: no offer goes by unheard, and none is answered by more than one press.

import * as alerts from "./alerts.js";
import * as answers from "./answers.js";
import * as channels from "./channels.js";
import { run } from "./clock.js";
import * as offers from "./offers.js";
import { begin, onSwap, region } from "./region.js";
import { keepAwake } from "./screen.js";
import { connect, poll } from "./stream.js";

const TICK_MS = 1000;
const SENT_AWAY_MS = 4000; // whether that was one too many is known by then
const SAID_MS = 60_000;

let heartbeat = null;
let lastSaid = { words: "", at: 0 };

function onNews(name, frame) {
  if (name === "priority_session_request" || name === "new_request") {
    offers.arrive(frame);
    heartbeat?.postMessage("arrived");
  } else if (region().querySelector(`[data-session="${frame.session_id}"]`)) poll();
  if (name === "priority_window_ended") setTimeout(poll, SENT_AWAY_MS);
}

function heard({ data }) {
  if (data === "tick") alerts.tick();
  else poll(); // somebody has set us off duty
}

// What was said to one press does not stand there for the rest of the day.
function forgetNotice() {
  const place = document.getElementById("notice");
  const words = place.textContent;
  if (words !== lastSaid.words) lastSaid = { words, at: Date.now() };
  else if (words && Date.now() - lastSaid.at > SAID_MS && !place.contains(document.activeElement)) place.replaceChildren();
}

function duty() {
  const on = region().dataset.onDuty === "yes";
  if (!on) heartbeat = heartbeat?.terminate() ?? null;
  else if (!heartbeat) {
    heartbeat = new Worker("/static/heartbeat.js");
    heartbeat.onmessage = heard;
  }
  keepAwake(on);
}

function promise() {
  const due = offers.keptUntil();
  const until = due && new Date(due).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  return until ? `The offer is safe on the server until ${until}.` : "";
}

begin();
onSwap((old, handled) => {
  offers.compare(old, handled);
  duty();
  channels.show();
  alerts.tick();
});
alerts.begin();
answers.begin();
channels.begin();
offers.begin();
duty();
setInterval(() => {
  alerts.tick();
  forgetNotice();
}, TICK_MS);
run(poll);
connect(onNews, promise);
