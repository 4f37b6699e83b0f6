// Sound, made here and now: no file has to be fetched. A browser allows it after a person's gesture.

import { turn } from "./tabs.js";

const QUIET = 0.0001; // a ramp cannot end at nothing
const LOUD = 0.35;
const CHIME = [[660, 0, 0.18], [880, 0.16, 0.3]];
const RING = [0, 0.8, 1.6].flatMap((at) => [[784, at, 0.16], [988, at + 0.18, 0.16], [1175, at + 0.36, 0.3]]);

const ringing = turn("headstart-sound");
const listeners = [];
let context = null;

export const onSound = (listener) => listeners.push(listener);
export const soundState = () => (typeof AudioContext === "undefined" ? "missing" : context?.state === "running" ? "on" : "blocked");

function changed() {
  if (soundState() === "on") ringing.ask();
  else ringing.pass(); // a page that cannot be heard must not keep one silent that can
  for (const listener of listeners) listener();
}

// Whether the browser allows it already; it may, for a page that is used a lot.
export function listenForSound() {
  if (context || typeof AudioContext === "undefined") return;
  context = new AudioContext();
  context.onstatechange = changed;
  changed();
}

function play(notes) {
  if (soundState() !== "on") return;
  for (const [pitch, at, length] of notes) {
    const begin = context.currentTime + at;
    const [tone, volume] = [new OscillatorNode(context, { type: "triangle", frequency: pitch }), new GainNode(context)];
    volume.gain.setValueAtTime(QUIET, begin);
    volume.gain.exponentialRampToValueAtTime(LOUD, begin + 0.02);
    volume.gain.exponentialRampToValueAtTime(QUIET, begin + length);
    tone.connect(volume).connect(context.destination);
    tone.start(begin);
    tone.stop(begin + length);
  }
}

// In a gesture, or it does nothing.
export async function unlock({ chime }) {
  listenForSound();
  await context?.resume().catch(() => {});
  changed();
  if (chime) play(CHIME);
}

export const ring = () => ringing.isMine && play(RING);
