// To accept is one press. If the network is away it is sent as soon as it is back, under the same
// key, and only while the offer stands: twice is once, and too late is never.

import { announce } from "./announce.js";
import { leftS } from "./clock.js";
import { changedHere, region } from "./region.js";
import { poll } from "./stream.js";

const AGAIN_MS = 2000;
const GIVE_UP_MS = 8000; // a dead connection must not keep a press waiting

const pending = new Map(); // by session request: { key, due }

export const isAnswered = (id) => pending.has(id);

function say(words, bad = false) {
  const line = Object.assign(document.createElement("p"), { className: `notice ${bad ? "bad" : ""}`, textContent: words });
  line.setAttribute("role", "status");
  document.getElementById("notice").replaceChildren(line);
  announce(words);
}

const clockTime = (due) => new Date(due).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });

export function press(id, yes) {
  const button = region().querySelector(`#accept-${CSS.escape(id)}`);
  if (button) [button.disabled, button.textContent] = [yes, yes ? "Accepting" : "Accept"];
}

async function accept(id, due) {
  if (pending.has(id)) return;
  const one = { key: crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`, due, told: false };
  pending.set(id, one);
  press(id, true);
  while (!(await sent(id, one))) {
    if (leftS(due) <= 0) {
      pending.delete(id);
      press(id, false);
      say("Your yes could not be sent before the time was up. We look where the offer stands.", true);
      return poll();
    }
    if (!one.told) say(`No connection. Your yes is sent as soon as it is back, until ${clockTime(due)}.`, true);
    one.told = true;
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
  }
}

// Whether the server has answered; what it said is shown.
async function sent(id, { key }) {
  const address = `/api/v1/session-requests/${id}/acceptance`;
  const order = { method: "POST", headers: { "Idempotency-Key": key }, signal: AbortSignal.timeout?.(GIVE_UP_MS) };
  const answer = await fetch(address, order).catch(() => null);
  if (!answer || answer.status >= 500) return false;
  const said = await answer.json().catch(() => ({}));
  changedHere();
  await poll();
  pending.delete(id);
  if (answer.ok) say("The job is yours.");
  else say(said.detail ?? "That did not work. Look at the offer again.", true);
  press(id, false);
  return true;
}

export function begin() {
  document.addEventListener("submit", (event) => {
    if (!event.target.matches("[data-accept]")) return;
    event.preventDefault();
    const card = event.target.closest("[data-session]");
    accept(card.dataset.session, card.dataset.due);
  });
}
