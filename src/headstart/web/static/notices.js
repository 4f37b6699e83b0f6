// Notifications of the system, the badge of the app, the mark of the tab, and a phone's vibration.
// Each may be missing or forbidden; none of them waits for another.

import { turn } from "./tabs.js";

const SHAKE_MS = [200, 100, 200];

const telling = turn("headstart-notices");
const shown = new Map(); // by session request
let works = typeof Notification !== "undefined";

telling.ask();

export const noticeState = () => (works ? Notification.permission : "missing");

export async function askForNotices() {
  if (noticeState() === "default") await Notification.requestPermission().catch(() => {});
}

export function notify(id, title, body) {
  if (!telling.isMine) return;
  if (navigator.userActivation?.hasBeenActive) navigator.vibrate?.(SHAKE_MS);
  if (noticeState() !== "granted") return;
  try {
    const notice = new Notification(title, { body, tag: id, renotify: true, requireInteraction: true });
    notice.onclick = () => {
      window.focus();
      notice.close();
    };
    shown.set(id, notice);
  } catch {
    works = false; // some phones allow them to service workers only
  }
}

export function withdrawNotice(id) {
  shown.get(id)?.close();
  shown.delete(id);
}

let marked = null;

export function mark(number) {
  if (marked === number) return;
  marked = number;
  document.querySelector("link[rel=icon]").href = `/static/${number ? "mark-news" : "mark"}.svg`;
  if (number) navigator.setAppBadge?.(number).catch(() => {});
  else navigator.clearAppBadge?.().catch(() => {});
}
