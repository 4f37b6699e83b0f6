// Looks quietly whether the payment has arrived; only then does the page change.

const EVERY_MS = 3000;

async function look() {
  const answer = await fetch(location.href, { headers: { Accept: "text/html" } }).catch(() => null);
  if (answer?.redirected) location.replace(answer.url);
  else setTimeout(look, EVERY_MS);
}

setTimeout(look, EVERY_MS);
