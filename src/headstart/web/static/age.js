// How old what is shown is: the words grow older, and a fresh look makes them young again.

import { leftS } from "./clock.js";

const TICK_MS = 1000;

function inWords(seconds) {
  if (seconds < 2) return "Updated just now.";
  if (seconds < 60) return `Updated ${seconds} s ago.`;
  return `Updated ${Math.floor(seconds / 60)} min ago.`;
}

export function grow() {
  for (const one of document.querySelectorAll("[data-updated]")) {
    const words = inWords(Math.max(0, -leftS(one.dataset.updated)));
    if (one.textContent !== words) one.textContent = words;
  }
}

export function growOlder() {
  setInterval(grow, TICK_MS);
  grow();
}
