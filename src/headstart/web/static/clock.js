// Every countdown shows due − (now + offset): computed, never counted, so that a sleeping tab or a
// wrong clock cannot make it lie. That time is up is the server's to say; until it does, we ask.

import { announce } from "./announce.js";

const TICK_MS = 250;
const ASK_AGAIN_MS = 2000;
const ANNOUNCED_S = [10, 30, 60, 300];
const calm = matchMedia("(prefers-reduced-motion: reduce)");

const lastLeftS = new Map(); // by the clock's name: a redrawn clock goes on where it was
let offsetMs = 0;
let askedAt = 0;

export function heard(serverNow) {
  if (serverNow) offsetMs = Date.parse(serverNow) - Date.now();
}

export function leftS(due) {
  return Math.ceil((Date.parse(due) - (Date.now() + offsetMs)) / 1000);
}

export function minutesAndSeconds(seconds) {
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

function tell(name, seconds) {
  const before = lastLeftS.get(name);
  lastLeftS.set(name, seconds);
  const mark = ANNOUNCED_S.find((one) => before > one && seconds <= one && seconds > 0);
  if (mark) announce(mark < 60 ? `${mark} seconds left.` : `${mark / 60} minute${mark > 60 ? "s" : ""} left.`);
}

function show(clock) {
  const { due, window, clock: name } = clock.dataset;
  const seconds = leftS(due);
  const share = Math.max(0, Math.min(100, (100 * seconds) / Number(window)));
  const drawn = calm.matches ? Math.ceil(share / 10) * 10 : share;
  clock.querySelector(".rest").setAttribute("stroke-dasharray", `${drawn} 100`);
  clock.querySelector(".left").textContent = seconds > 0 ? minutesAndSeconds(seconds) : "asking the server";
  clock.classList.toggle("hurry", seconds <= 60);
  clock.classList.toggle("over", seconds <= 0);
  tell(name, seconds);
  return seconds > 0;
}

export function run(ask) {
  const tick = () => {
    const over = [...document.querySelectorAll(".clock")].filter((clock) => !show(clock));
    if (over.length && Date.now() - askedAt > ASK_AGAIN_MS) {
      askedAt = Date.now();
      ask();
    }
  };
  setInterval(tick, TICK_MS);
  document.addEventListener("visibilitychange", tick);
  addEventListener("pageshow", (event) => (event.persisted ? ask() : tick()));
  tick();
}
