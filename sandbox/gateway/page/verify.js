"use strict";
// The code is in the fragment, which no server sees. Nothing is sent before the button is pressed.
const query = new URLSearchParams(location.search);
const code = decodeURIComponent(location.hash.slice(1));
const go = document.getElementById("go");
const said = document.getElementById("said");

// A path on this website, and nothing else.
function safe(path) {
  if (!path || path.length > 256 || !/^\/(?![/\\])[^\\\x00-\x1f]*$/.test(path)) return "";
  return new URL(path, location.origin).origin === location.origin ? path : "";
}

function finish(text) {
  said.textContent = text;
  go.hidden = true;
}

async function confirm() {
  go.disabled = true;
  said.textContent = "One moment…";
  try {
    const answer = await fetch(document.body.dataset.api + "/signinup/code/consume", {
      method: "POST",
      headers: { "Content-Type": "application/json", rid: "passwordless", "st-auth-mode": "cookie" },
      body: JSON.stringify({ preAuthSessionId: query.get("preAuthSessionId"), linkCode: code }),
    });
    const got = await answer.json();
    if (answer.ok && got.status === "OK") {
      history.replaceState(null, "", location.pathname);
      finish("You are signed in.");
      const path = safe(query.get("redirectToPath"));
      if (path) {
        const on = document.getElementById("on");
        on.href = path;
        on.textContent = "Go on to " + path;
        on.hidden = false;
      }
      return;
    }
    if (got.status === "RESTART_FLOW_ERROR") {
      finish("This link was used, replaced by a newer one, or is too old. Ask for a new one in the chat.");
      return;
    }
  } catch {
    // told below
  }
  said.textContent = "That did not work. Please try again.";
  go.disabled = false;
}

if (!query.get("preAuthSessionId") || !code) finish("This link is not complete. Open it from the chat again.");
go.addEventListener("click", confirm);
