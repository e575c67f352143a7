"use strict";
// The link's secret is in the fragment. It is taken out of the address bar before anything else happens, and lives
// only in this closure: not in storage, not in history, not in the page.
(function () {
  var code = "";
  var busy = false;
  var root = null;

  function takeCode() {
    if (!location.hash) return false;
    code = location.hash.slice(1);
    history.replaceState(null, "", location.pathname + location.search);
    return code !== "";
  }
  takeCode();

  function one(selector) { return root.querySelector(selector); }

  function show(state) {
    root.querySelectorAll("[data-state]").forEach(function (section) {
      section.hidden = section.getAttribute("data-state") !== state;
    });
  }

  // A change that the person did not see happen is told to those who listen by moving the focus to its heading.
  function arrive(state) {
    show(state);
    one('[data-state="' + state + '"] h1').focus();
  }

  function working(on) {
    var button = one("[data-confirm]");
    busy = on;
    // Not "disabled" while busy: that would throw the keyboard's focus away.
    button.disabled = false;
    button.setAttribute("aria-disabled", String(on));
    button.textContent = button.getAttribute(on ? "data-busy" : "data-label");
    one("[data-status]").textContent = on ? button.getAttribute("data-busy") : "";
  }

  function complain(on) {
    var alert = one("[data-alert]");
    alert.textContent = on ? alert.getAttribute("data-text") : "";
    alert.classList.toggle("shown", on);
  }

  function consume() {
    var abort = new AbortController();
    var timer = setTimeout(function () { abort.abort(); }, Number(root.getAttribute("data-wait")));
    return fetch(root.getAttribute("data-consume"), {
      method: "POST",
      credentials: "same-origin",
      cache: "no-store",
      redirect: "error",
      signal: abort.signal,
      headers: { "content-type": "application/json; charset=utf-8", "rid": "passwordless", "st-auth-mode": "cookie" },
      body: JSON.stringify({ preAuthSessionId: root.getAttribute("data-preauth"), linkCode: code })
    }).then(function (response) {
      if (response.ok) return response.json().then(function (body) {
        // The link is spent although nobody got a session from it: only a new one helps.
        return body.reason === "new_link" ? "RESTART_FLOW_ERROR" : body.status;
      });
      // The route refuses what is no link of ours; all other failures may pass.
      return response.status === 400 || response.status === 404 ? "RESTART_FLOW_ERROR" : "GENERAL_ERROR";
    }).finally(function () { clearTimeout(timer); });
  }

  function confirm() {
    if (busy || !code) return;
    complain(false);
    working(true);
    consume().then(function (status) {
      if (status === "OK") {
        code = "";
        arrive("done");
        var next = new URL(root.getAttribute("data-next"), location.origin);
        if (next.origin === location.origin) location.replace(next.href);
      } else if (status === "RESTART_FLOW_ERROR") {
        code = "";
        working(false);
        arrive("gone");
      } else {
        throw new Error("not now");
      }
    }).catch(function () {
      working(false);
      complain(true);
      one("[data-confirm]").focus();
    });
  }

  function begin() {
    root = document.querySelector("[data-verify]");
    if (!root) return;
    one("[data-confirm]").addEventListener("click", confirm);
    // Another language is another page; the code travels there as it came here.
    document.querySelectorAll("[data-language]").forEach(function (link) {
      link.addEventListener("click", function (event) {
        if (!code) return;
        event.preventDefault();
        if (!busy) location.assign(link.href + "#" + code);
      });
    });
    // The same link tapped again while this page is open changes only the fragment.
    window.addEventListener("hashchange", function () {
      if (!takeCode() || busy) return;
      working(false);
      complain(false);
      show("ready");
    });
    window.addEventListener("pageshow", function (event) { if (event.persisted) location.reload(); });
    if (code) working(false);
    else show("incomplete");
  }

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", begin);
  else begin();
})();
