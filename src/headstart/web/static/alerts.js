// An offer by name rings until it is seen: at once, and after 1, 3, 6 and 9 minutes. Seen is what a
// person has answered with any sign of life, on whichever page of theirs.

import { leftS, minutesAndSeconds } from "./clock.js";
import { mark, notify, withdrawNotice } from "./notices.js";
import { region } from "./region.js";
import { ring } from "./sound.js";
import { forget, isSeen, onOtherPage, quiet, quietUntil, see, wake } from "./tabs.js";

const RUNGS_MS = [0, 60_000, 180_000, 360_000, 540_000];
const REMIND_MS = 120_000;
const REMIND_WORTH_S = 150; // with less left than this, a reminder would come too late to answer

const waiting = new Map(); // by session request: { began, rung, byName }

const card = (id) => region().querySelector(`.offer[data-session="${id}"]:not([data-ended])`);
const onDuty = () => region().dataset.onDuty === "yes";
const words = (id) => ["plan_name", "vehicle"].map((name) => card(id).querySelector(`[data-fill="${name}"]`).textContent).join(", ");

function sound(id) {
  if (!onDuty()) return; // off duty nothing rings; it is on the page all the same
  ring();
  const { byName } = waiting.get(id);
  notify(id, byName ? "Asked for you by name" : "New request, open to all", words(id));
}

// One that is on the page. ``loud``: it has just come; otherwise somebody has opened the page on it.
export function expect(id, { byName, loud }) {
  if (waiting.has(id)) return;
  waiting.set(id, { began: Date.now(), rung: 1, byName });
  if (loud && !isSeen(id)) sound(id);
  decorate();
  retitle();
}

// It went on to everybody, or came back: no news for whoever was asked already.
export const settle = (id) => (see(id), retitle());

export function finish(id) {
  if (!waiting.delete(id)) return;
  forget(id); // should it come back one day, it is news again
  withdrawNotice(id);
  retitle();
}

export function tick() {
  for (const [id, one] of waiting) {
    if (!card(id)) continue;
    const until = quietUntil(id);
    if (until && Date.now() >= until) {
      wake(id);
      Object.assign(one, { began: Date.now(), rung: 1 });
      sound(id);
    } else if (one.byName && !isSeen(id)) {
      const due = RUNGS_MS.filter((at) => Date.now() - one.began >= at).length;
      if (due > one.rung) sound(id);
      one.rung = Math.max(one.rung, due);
    }
  }
  decorate();
  retitle();
}

export function retitle() {
  const news = [...waiting.keys()].filter((id) => card(id) && !isSeen(id));
  const left = news.filter((id) => waiting.get(id).byName).map((id) => leftS(card(id).dataset.due)).filter((one) => one > 0);
  const time = left.length ? ` ${minutesAndSeconds(Math.min(...left))}` : "";
  const title = `(${news.length}) New request${news.length > 1 ? "s" : ""}${time}`;
  document.title = `${news.length ? title : "Your offers"} · Headstart`;
  mark(news.length);
}

function seeAll() {
  for (const id of waiting.keys()) {
    if (!card(id) || isSeen(id)) continue;
    see(id);
    withdrawNotice(id);
  }
  retitle();
}

// "Remind me" is a button of the script's own: the window goes on as it did.
function decorate() {
  for (const button of region().querySelectorAll(".remind")) {
    const id = button.closest(".offer").dataset.session;
    const left = leftS(button.closest(".offer").dataset.due);
    const until = quietUntil(id);
    button.hidden = !until && left < REMIND_WORTH_S;
    button.disabled = until > Date.now();
    const at = new Date(until).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
    const label = until > Date.now() ? `Reminding you at ${at}` : "Busy, remind me in 2 min";
    if (button.textContent !== label) button.textContent = label;
  }
}

export function begin() {
  for (const sign of ["pointerdown", "keydown", "wheel"]) document.addEventListener(sign, seeAll, { passive: true });
  addEventListener("focus", seeAll);
  document.addEventListener("click", (event) => {
    const button = event.target.closest(".remind");
    if (!button) return;
    quiet(button.closest(".offer").dataset.session, Date.now() + REMIND_MS);
    decorate();
  });
  onOtherPage(() => {
    for (const id of waiting.keys()) if (isSeen(id)) withdrawNotice(id);
    tick();
  });
}
