"use strict";
// Shows the state again when something happened, and says whether it still can. The markup comes
// from gatepost, which escapes everything that a caller sent; the policy of the page runs no other
// script than this file.

const state = document.getElementById("state");
const link = document.getElementById("link");
const pause = document.getElementById("pause");
let paused = false;
let waiting = false;

function tell(text, name) {
  if (link.textContent !== text) {
    link.textContent = text;
    link.className = name;
  }
}

async function refresh() {
  waiting = false;
  if (paused) return;
  let text;
  try {
    const response = await fetch("/ui/state" + location.search);
    if (!response.ok) return;
    text = await response.text();
  } catch {
    return;
  }
  // Nobody loses the refusal they read, nor their place.
  if (paused || state.contains(document.activeElement) && document.activeElement.tagName === "SELECT") return;
  const open = [...state.querySelectorAll("details[open]")].map((element) => element.id);
  const focus = place(document.activeElement);
  const parsed = new DOMParser().parseFromString(text, "text/html");
  state.replaceChildren(...parsed.body.childNodes);
  for (const id of open) document.getElementById(id)?.setAttribute("open", "");
  if (focus) state.querySelector(focus)?.focus({ preventScroll: true });
}

// How to find an element again.
function place(element) {
  if (!state.contains(element)) return null;
  if (element.id) return "#" + CSS.escape(element.id);
  const details = element.closest("details");
  if (!details) return null;
  return "#" + CSS.escape(details.id) + " " + element.tagName.toLowerCase();
}

function soon() {
  if (waiting) return;
  waiting = true;
  setTimeout(refresh, 500);
}

function listen() {
  const events = new EventSource("/api/v1/events");
  events.addEventListener("open", () => {
    tell("live", "live");
    soon();
  });
  for (const kind of ["request", "examination", "reload", "missed"]) events.addEventListener(kind, soon);
  events.addEventListener("error", () => {
    tell("disconnected", "gone");
    if (events.readyState === EventSource.CLOSED) setTimeout(listen, 2000);
  });
}

state.addEventListener("click", (event) => {
  const text = event.target.dataset?.copy;
  if (text) navigator.clipboard.writeText(text).then(() => { event.target.textContent = "Copied"; });
});

pause.hidden = false;
pause.addEventListener("click", () => {
  paused = !paused;
  pause.setAttribute("aria-pressed", String(paused));
  pause.textContent = paused ? "Go on" : "Pause";
  if (!paused) refresh();
});

listen();
setInterval(refresh, 5000);
