// A mechanic on duty may lay the phone beside them: the screen stays on while this page is shown.

const listeners = [];
let lock = null;
let wanted = false;

export const onScreen = (listener) => listeners.push(listener);
export const screenState = () => (!navigator.wakeLock ? "missing" : lock ? "on" : "off");

function tell() {
  for (const listener of listeners) listener();
}

async function hold() {
  if (!wanted || lock || document.hidden || !navigator.wakeLock) return;
  lock = await navigator.wakeLock.request("screen").catch(() => null);
  lock?.addEventListener("release", () => {
    lock = null;
    tell();
  });
  if (!wanted) lock?.release();
  tell();
}

export function keepAwake(yes) {
  wanted = yes;
  if (yes) hold();
  else lock?.release();
}

document.addEventListener("visibilitychange", hold);
