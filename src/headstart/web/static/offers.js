// The cards: one comes by its event alone, moves when everybody is asked, and none goes unexplained.

import { alarm, announce } from "./announce.js";
import { expect, finish, settle } from "./alerts.js";
import { isAnswered, press } from "./answers.js";
import { leftS, minutesAndSeconds } from "./clock.js";
import { changedHere, localise, region } from "./region.js";

const EXPLAINED_MS = 60_000;
const TAKEN = "Taken by another mechanic.";
const ENDINGS = {
  matched: TAKEN,
  completed: TAKEN,
  cancelled: "Withdrawn. The request was cancelled.",
  unfilled: "Lapsed. Nobody accepted in time.",
  pending: "Lapsed. Somebody else is asked now.",
};
const OPENED = "Your time alone is over. It is open to everyone now, you included.";
const GONE = "No longer available.";

const ended = new Map(); // by session request: the explained card, and where it stood
const moved = new Map(); // by session request: until when it is said that it came from the other list

export const find = (id) => region().querySelector(`.offer[data-session="${id}"]:not([data-ended])`);
const cards = (place) => place.querySelectorAll(".offer:not([data-ended])");
const isByName = (card) => card.matches(".by-name");
const said = (card, name) => card.querySelector(`[data-fill="${name}"]`)?.textContent ?? "";

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
  Object.assign(card.dataset, { version: frame.version, due: frame.due_at });
  const clock = card.querySelector(".clock")?.dataset;
  if (clock) Object.assign(clock, { due: frame.due_at, window: frame.priority_window_minutes * 60 });
  localise(card);
  return card;
}

function tell(card) {
  const what = `${said(card, "plan_name")}, ${said(card, "vehicle")}`;
  const left = minutesAndSeconds(leftS(card.dataset.due));
  alarm(isByName(card) ? `${said(card, "message")} ${what}. ${left} left.` : `New request, open to all: ${what}.`);
}

function welcome(card, { loud = true } = {}) {
  const id = card.dataset.session;
  ended.get(id)?.card.remove();
  ended.delete(id);
  expect(id, { byName: isByName(card), loud });
  if (loud) tell(card);
}

export function arrive(frame) {
  const id = frame.session_id;
  const shown = find(id);
  const card = cardOf(frame);
  const opened = shown && isByName(shown) && !isByName(card);
  shown?.remove();
  document.getElementById(frame.priority ? "by-name" : "to-all").append(card);
  changedHere();
  if (opened) open(card);
  else if (!shown) welcome(card);
}

// It moves from the one list to the other, and nobody is called a second time.
function open(card) {
  moved.set(card.dataset.session, Date.now() + EXPLAINED_MS);
  settle(card.dataset.session);
  announce(OPENED);
}

function sayWhatMoved() {
  for (const [id, until] of moved) {
    const card = find(id);
    if (!card || Date.now() > until) moved.delete(id);
    else if (!isByName(card) && !card.querySelector(".moved")) {
      card.prepend(Object.assign(document.createElement("p"), { className: "moved", textContent: OPENED }));
    }
  }
}

// After the page was read anew: what is new, what moved, what has more time, and what is gone.
export function compare(old, handled) {
  const before = new Map([...cards(old)].map((card) => [card.dataset.session, card]));
  for (const card of cards(region())) {
    const was = before.get(card.dataset.session);
    if (!was) welcome(card);
    else if (isByName(was) && !isByName(card)) open(card);
    else if (was.dataset.due < card.dataset.due) announce(`You have more time: ${minutesAndSeconds(leftS(card.dataset.due))} left.`);
    if (isAnswered(card.dataset.session)) press(card.dataset.session, true);
  }
  for (const [id, card] of before) if (!find(id)) explain(card, id === handled || isMine(id));
  for (const { card, list, index } of ended.values()) {
    const place = document.getElementById(list);
    place.insertBefore(card, place.children[index] ?? null);
  }
  sayWhatMoved();
}

const isMine = (id) => region().querySelector(`[data-job][data-session="${id}"]`) !== null;

// What was offered and is not any more stays where it was for a while, and says why.
async function explain(card, known) {
  const id = card.dataset.session;
  finish(id);
  if (known) return;
  const line = Object.assign(document.createElement("p"), { className: "ending", textContent: GONE });
  const list = card.parentElement;
  ended.set(id, { card, list: list.id, index: [...list.children].indexOf(card) });
  for (const one of card.querySelectorAll(".clock, .until, .remind, .moved")) one.remove();
  card.querySelector(".answers").replaceWith(line);
  card.dataset.ended = "";
  card.removeAttribute("id");
  setTimeout(() => {
    if (ended.get(id)?.card === card) ended.delete(id);
    card.remove();
  }, EXPLAINED_MS);
  line.textContent = ENDINGS[await statusOf(id)] ?? GONE;
  announce(line.textContent);
}

// Where a request stands; null when we may not know, or cannot ask.
export async function statusOf(id) {
  const answer = await fetch(`/api/v1/session-requests/${id}`).catch(() => null);
  return answer?.ok ? (await answer.json()).status : null;
}

// What stood there when the page was opened: somebody has just opened it. What waits for them alone
// goes on calling all the same.
export function begin() {
  for (const card of cards(region())) {
    welcome(card, { loud: false });
    if (!isByName(card)) settle(card.dataset.session);
  }
}

// The latest moment until which the server keeps an offer for this mechanic alone.
export function keptUntil() {
  const dues = [...region().querySelectorAll(".by-name:not([data-ended])")].map((card) => card.dataset.due);
  return dues.filter((due) => leftS(due) > 0).sort().at(0) ?? null;
}
