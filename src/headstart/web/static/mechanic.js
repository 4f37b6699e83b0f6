// The mechanic's page: no offer goes by unheard, and none is answered by more than one press.

import * as alerts from "./alerts.js";
import { alarm } from "./announce.js";
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
const JOB_ENDED = { completed: "Your job is marked as done.", cancelled: "Your job was cancelled. You need not come." };
const JOB_GONE = "You do not have this job any more, and need not come.";

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
  else if (words && Date.now() - lastSaid.at > SAID_MS && !place.contains(document.activeElement) && !place.querySelector("[data-stays]")) place.replaceChildren();
}

// Nobody sets out for a job that somebody else has ended: it is said, and stays until something else is.
async function sayWhereTheJobWent(old, handled) {
  const was = old.querySelector("[data-job]")?.dataset.session;
  if (!was || was === handled || region().querySelector(`[data-job][data-session="${was}"]`)) return;
  const words = JOB_ENDED[await offers.statusOf(was)] ?? JOB_GONE;
  const line = Object.assign(document.createElement("p"), { className: "notice", textContent: words });
  line.dataset.stays = "";
  document.getElementById("notice").replaceChildren(line);
  alarm(words);
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
  sayWhereTheJobWent(old, handled);
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
