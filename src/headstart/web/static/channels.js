// How offers reach a mechanic, each way for itself: what works, what does not, and how to mend it.

import { announce } from "./announce.js";
import { askForNotices, noticeState } from "./notices.js";
import { region } from "./region.js";
import { onScreen, screenState } from "./screen.js";
import { listenForSound, onSound, soundState, unlock } from "./sound.js";
import { life, onLife } from "./stream.js";

const STATES = {
  sound: {
    on: ["good", "Sound on", "Test it"],
    blocked: ["bad", "Sound blocked", "Allow it"],
    missing: ["", "No sound in this browser"],
  },
  notices: {
    granted: ["good", "Notifications on"],
    default: ["warm", "Notifications off", "Allow them"],
    denied: ["bad", "Notifications blocked in your browser"],
    missing: ["", "No notifications in this browser"],
  },
  life: {
    on: ["good", "Connected"],
    begun: ["", "Connecting"],
    off: ["bad", "Reconnecting by itself"],
  },
  screen: {
    on: ["good", "Screen stays on"],
    off: ["", "Screen may go dark"],
    missing: ["", "Screen may go dark in this browser"],
  },
};
const MEND = {
  sound: () => unlock({ chime: true }),
  notices: askForNotices,
};

let spoken = null;

function chip(name, state) {
  const [kind, words, mend] = STATES[name][state];
  const place = Object.assign(document.createElement("li"), { className: `channel ${kind}` });
  place.dataset.channel = name;
  place.dataset.state = state;
  place.append(Object.assign(document.createElement("span"), { textContent: words }));
  if (mend) {
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: mend, id: `mend-${name}` });
    button.addEventListener("click", async () => {
      await MEND[name]();
      show();
    });
    place.append(button);
  }
  return place;
}

const states = () => ({ sound: soundState(), notices: noticeState(), life: life(), screen: screenState() });

export function show() {
  const list = document.getElementById("channels");
  const now = region().dataset.onDuty === "yes" ? states() : {};
  for (const old of [...list.children]) if (!(old.dataset.channel in now)) old.remove();
  for (const [name, state] of Object.entries(now)) {
    const old = list.querySelector(`[data-channel="${name}"]`);
    if (old?.dataset.state === state) continue; // one that is just being pressed must not be replaced
    const had = old?.contains(document.activeElement);
    const fresh = chip(name, state);
    if (old) old.replaceWith(fresh);
    else list.append(fresh);
    if (had) (fresh.querySelector("button") ?? document.getElementById("duty")).focus();
  }
  if (spoken === "on" && now.sound === "blocked") announce("Sound is blocked.");
  spoken = now.sound ?? spoken;
}

// Going on duty is the gesture that a browser asks for; later on any other will do.
export function begin() {
  document.addEventListener("submit", (event) => {
    if (event.target.querySelector("#duty")?.form.elements.on_duty.value !== "true") return;
    unlock({ chime: true });
    askForNotices().then(show);
  });
  for (const gesture of ["click", "keydown"]) {
    document.addEventListener(gesture, () => soundState() === "blocked" && region().dataset.onDuty === "yes" && unlock({ chime: false }));
  }
  onSound(show);
  onScreen(show);
  onLife(show);
  if (region().dataset.onDuty === "yes") listenForSound();
  show();
}
