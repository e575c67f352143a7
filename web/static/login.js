"use strict";
// Tells what this browser learns while the login goes on in WhatsApp: that the message has arrived, never whose it was;
// and, when the link was opened in another tab here, that somebody is signed in. The page works without it.
(function () {
  var root = document.querySelector("[data-login]");
  var attempt = root.getAttribute("data-attempt"); // null: there is nothing to ask about
  var until = performance.now() + Number(root.getAttribute("data-wakeful"));
  var told = ""; // what was said last
  var timer = 0;
  var asked = 0;

  function one(selector) { return root.querySelector(selector); }

  function get(path) {
    return fetch(path, {
      credentials: "same-origin", cache: "no-store", redirect: "error",
      headers: { "rid": "session", "st-auth-mode": "cookie" }
    });
  }

  function say(what) {
    if (told === what) return;
    told = what;
    one("[data-status]").replaceChildren(one('[data-text="' + what + '"]').content.cloneNode(true));
  }

  function signedIn() {
    return get(root.getAttribute("data-session")).then(function (response) {
      if (!response.ok) return;
      stop();
      one('[data-state="begin"]').hidden = true;
      one('[data-state="in"]').hidden = false;
      one('[data-state="in"] h1').focus();
    }).catch(function () {});
  }

  function stop() {
    clearTimeout(timer);
    attempt = null;
  }

  // Every two seconds at first, then ever more rarely; not at all in a tab that nobody sees.
  function soon() {
    clearTimeout(timer);
    if (!attempt || document.hidden) return;
    timer = setTimeout(look, Math.min(2000 + 100 * asked, 8000));
  }

  function look() {
    if (performance.now() > until) return late();
    asked += 1;
    get(attempt).then(function (response) {
      if (!response.ok) throw new Error("not now");
      return response.json();
    }).then(function (body) {
      if (body.state === "received") say("received");
      if (body.state === "expired") return late();
      // Nothing is under way here any more: perhaps because the link was opened in this browser.
      if (body.state === "none") { stop(); return signedIn(); }
      soon();
    }).catch(soon);
  }

  function late() {
    stop();
    if (told !== "received") say("late");
  }

  document.addEventListener("visibilitychange", function () {
    if (document.hidden) return;
    if (one('[data-state="in"]').hidden) signedIn();
    if (attempt) look();
  });
  window.addEventListener("pageshow", function (event) { if (event.persisted) location.reload(); });
  soon();
})();
