// The mechanic's page: offers arrive by the event alone, and none vanishes without a word.

import { alarm, announce } from "./announce.js";
import { leftS, minutesAndSeconds, run } from "./clock.js";
import { begin, changedHere, localise, onSwap, region } from "./region.js";
import { connect, poll } from "./stream.js";

const EXPLAINED_MS = 60_000;
const TAKEN = "Taken. Another mechanic was faster.";
const ENDINGS = {
  matched: TAKEN,
  completed: TAKEN,
  cancelled: "Withdrawn. The customer cancelled.",
  unfilled: "Lapsed. Nobody accepted in time.",
  pending: "Lapsed. Somebody else is asked now.",
};
const OPENED = "Lapsed. Your time alone is over: it is open to everyone now, you included.";
const GONE = "No longer available.";

const unseen = new Set();
const ended = new Map(); // by session request: the explained card, and where it stood
let heartbeat = null;

const find = (id) => region().querySelector(`.offer[data-session="${id}"]:not([data-ended])`);

function retitle() {
  for (const id of unseen) if (!find(id)) unseen.delete(id);
  const news = `(${unseen.size}) New offer${unseen.size > 1 ? "s" : ""}`;
  document.title = `${unseen.size ? news : "Your offers"} · Headstart`;
}

function money(amount, currency) {
  const { maximumFractionDigits: digits } = new Intl.NumberFormat("en", { style: "currency", currency }).resolvedOptions();
  return `${(amount / 10 ** digits).toFixed(digits)} ${currency.toUpperCase()}`;
}

// The server's own markup, filled with what the event carries: nothing has to be fetched first.
function cardOf(frame) {
  const template = document.getElementById(frame.priority ? "by-name-offer" : "to-all-offer");
  const card = template.content.firstElementChild.cloneNode(true);
  for (const one of [card, ...card.querySelectorAll("*")]) {
    for (const attribute of one.attributes) attribute.value = attribute.value.replace("SESSION", frame.session_id);
  }
  const due = Object.assign(document.createElement("time"), { dateTime: frame.due_at });
  due.dataset.at = "time";
  const filling = { ...frame, due_at: due, pay: money(frame.pay, frame.currency) };
  for (const place of card.querySelectorAll("[data-fill]")) place.replaceChildren(filling[place.dataset.fill]);
  for (const place of card.querySelectorAll("[data-if]")) place.hidden = !frame[place.dataset.if];
  card.dataset.version = frame.version;
  const clock = card.querySelector(".clock")?.dataset;
  if (clock) Object.assign(clock, { due: frame.due_at, window: frame.priority_window_minutes * 60 });
  localise(card);
  return card;
}

function arrive(frame) {
  ended.get(frame.session_id)?.card.remove();
  ended.delete(frame.session_id);
  find(frame.session_id)?.remove();
  document.getElementById(frame.priority ? "by-name" : "to-all").append(cardOf(frame));
  changedHere();
  unseen.add(frame.session_id);
  retitle();
  const what = `${frame.plan_name}, ${frame.vehicle}`;
  const left = minutesAndSeconds(leftS(frame.due_at));
  alarm(frame.priority ? `${frame.message} ${what}. ${left} left.` : `New offer, open to all: ${what}.`);
}

function onNews(name, frame) {
  if (name === "priority_session_request" || name === "new_request") arrive(frame);
  else if (region().querySelector(`[data-session="${frame.session_id}"]`)) poll();
}

// What was offered and is not any more stays where it was for a while, and says why.
function explain(old, handled) {
  for (const card of old.querySelectorAll(".offer:not([data-ended])")) {
    const id = card.dataset.session;
    const now = find(id);
    const opened = now && card.matches(".by-name") && !now.matches(".by-name");
    const mine = id === handled || region().querySelector(`[data-job][data-session="${id}"]`);
    if (!mine && (!now || opened)) end(card, opened ? OPENED : null);
  }
  for (const { card, list, index } of ended.values()) {
    const place = document.getElementById(list);
    place.insertBefore(card, place.children[index] ?? null);
  }
}

async function end(card, words) {
  const id = card.dataset.session;
  const said = Object.assign(document.createElement("p"), { className: "ending", textContent: words ?? GONE });
  const list = card.parentElement;
  ended.set(id, { card, list: list.id, index: [...list.children].indexOf(card) });
  for (const one of card.querySelectorAll(".clock, .until")) one.remove();
  card.querySelector(".answers").replaceWith(said);
  card.dataset.ended = words === OPENED ? "opened" : "closed";
  card.removeAttribute("id");
  setTimeout(() => {
    if (ended.get(id)?.card === card) ended.delete(id);
    card.remove();
  }, EXPLAINED_MS);
  if (!words) said.textContent = (await reason(id)) ?? GONE;
  announce(said.textContent);
}

async function reason(id) {
  const answer = await fetch(`/api/v1/session-requests/${id}`).catch(() => null);
  return answer?.ok ? ENDINGS[(await answer.json()).status] : null;
}

function duty() {
  const on = region().dataset.onDuty === "yes";
  if (on) heartbeat ??= new Worker("/static/heartbeat.js");
  else heartbeat = heartbeat?.terminate() ?? null;
}

begin();
onSwap((old, handled) => {
  explain(old, handled);
  duty();
  retitle();
});
duty();
for (const card of region().querySelectorAll(".by-name")) unseen.add(card.dataset.session);
for (const sign of ["pointerdown", "keydown"]) {
  document.addEventListener(sign, () => {
    unseen.clear();
    retitle();
  });
}
run(poll);
connect(onNews);
