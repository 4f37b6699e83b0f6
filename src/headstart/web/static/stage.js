// The demo's stage: the customer's screen follows what is booked, and a scene plays by itself.

import { begin, onSwap, region } from "./region.js";

const STEP_MS = 9_000;

const customer = document.querySelector("iframe.customer");
let paused = false;
let timer = null;

function playOn() {
  const pause = document.getElementById("pause");
  const next = document.getElementById("next");
  pause.hidden = false;
  pause.setAttribute("aria-pressed", String(paused));
  clearTimeout(timer);
  if (!next.disabled && !paused) timer = setTimeout(() => next.form.requestSubmit(next), STEP_MS);
}

begin();
onSwap((old) => {
  const { customerAt } = region().dataset;
  if (customerAt !== old.dataset.customerAt) customer.src = customerAt;
  playOn();
});
document.addEventListener("click", (event) => {
  if (event.target.id !== "pause") return;
  paused = !paused;
  playOn();
});
playOn();
