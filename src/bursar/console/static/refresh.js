// Keeps the figures of a page fresh: fetches the page again and swaps the parts marked data-live that have changed.
// A part that holds the keyboard's focus or a selection is left alone until it does not. Without this script the page
// is complete, just not live.
"use strict";

const every = 5000;
const sign = document.getElementById("live");

function isBusy(part) {
  const selection = document.getSelection();
  const selected = selection && !selection.isCollapsed && selection.containsNode(part, true);
  return selected || part.contains(document.activeElement);
}

async function refresh() {
  if (document.hidden) return;
  try {
    const answer = await fetch(location.href, { cache: "no-store" });
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    const parts = [...document.querySelectorAll("[data-live]")];
    if (answer.ok && parts.some((part) => !fresh.getElementById(part.id))) return location.reload();
    for (const part of answer.ok ? parts : []) {
      const now = fresh.getElementById(part.id);
      if (now.outerHTML !== part.outerHTML && !isBusy(part)) part.replaceWith(now);
    }
    tell(answer.ok ? "Live" : "Ledger away", answer.ok);
  } catch {
    tell("Not updating", false);
  }
}

function tell(text, isLive) {
  sign.lastElementChild.textContent = text;
  sign.classList.toggle("stale", !isLive);
}

if (document.querySelector("[data-live]")) {
  sign.hidden = false;
  setInterval(refresh, every);
  document.addEventListener("visibilitychange", refresh);
}
