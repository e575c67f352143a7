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

  function asksDigits() { return !one("[data-digits]").hidden; }
  function asksOther() { return !one("[data-other]").hidden; }

  function label() {
    return one("[data-confirm]").getAttribute(asksOther() ? "data-other-label" : "data-label");
  }

  function working(on) {
    var button = one("[data-confirm]");
    busy = on;
    // Not "disabled" while busy: that would throw the keyboard's focus away.
    button.disabled = false;
    button.setAttribute("aria-disabled", String(on));
    button.textContent = on ? button.getAttribute("data-busy") : label();
    one("[data-status]").textContent = on ? button.getAttribute("data-busy") : "";
  }

  function complain(what) {
    var alert = one("[data-alert]");
    alert.textContent = what ? alert.getAttribute("data-" + what) : "";
    alert.classList.toggle("shown", !!what);
  }

  function tries(left) {
    var e = one("[data-tries]");
    if (typeof left !== "number") return;
    e.textContent = left === 1 ? e.getAttribute("data-last") : e.getAttribute("data-many").replace("{}", left);
  }

  function body() {
    var b = { preAuthSessionId: root.getAttribute("data-preauth"), linkCode: code };
    var bring = one("[data-bring]");
    if (asksDigits()) {
      b.digits = one("#digits").value;
      if (bring) b.bringGuest = bring.checked;
    }
    if (asksOther()) b.replaceSession = true; // the button says so
    return b;
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
      body: JSON.stringify(body())
    }).then(function (response) {
      if (response.ok) return response.json();
      // The route refuses what is no link of ours; all other failures may pass.
      return { status: response.status === 400 || response.status === 404 ? "RESTART_FLOW_ERROR" : "GENERAL_ERROR" };
    }).finally(function () { clearTimeout(timer); });
  }

  // What the route asks for that this page did not ask yet, or asks again.
  function again(answer) {
    var field = one("#digits");
    switch (answer.reason) {
    case "digits_required":
      one("[data-digits]").hidden = false;
      tries(answer.triesLeft);
      working(false);
      complain("required");
      return field.focus();
    case "digits_wrong":
      one("[data-digits]").hidden = false;
      tries(answer.triesLeft);
      working(false);
      complain("wrong");
      field.value = "";
      return field.focus();
    case "signed_in_as_other":
      root.querySelectorAll("[data-other]").forEach(function (e) { e.hidden = false; });
      working(false);
      complain("asked");
      return one("[data-confirm]").focus();
    default:
      throw new Error("not now");
    }
  }

  function done() {
    code = "";
    arrive("done");
    var next = new URL(root.getAttribute("data-next"), location.origin);
    if (next.origin === location.origin) location.replace(next.href);
  }

  function confirm() {
    if (busy || !code) return;
    if (asksDigits() && !/^[0-9]{4}$/.test(one("#digits").value)) {
      complain("four");
      return one("#digits").focus();
    }
    complain("");
    working(true);
    consume().then(function (answer) {
      if (answer.status === "OK") return done();
      // new_link: the link is spent although nobody got a session from it.
      if (answer.status === "RESTART_FLOW_ERROR" || answer.reason === "new_link") {
        code = "";
        working(false);
        return arrive("gone");
      }
      again(answer);
    }).catch(function () {
      working(false);
      complain("later");
      one("[data-confirm]").focus();
    });
  }

  function begin() {
    root = document.querySelector("[data-verify]");
    if (!root) return;
    one("[data-form]").addEventListener("submit", function (event) {
      event.preventDefault();
      confirm();
    });
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
      complain("");
      show("ready");
    });
    window.addEventListener("pageshow", function (event) { if (event.persisted) location.reload(); });
    if (!code) return show("incomplete");
    working(false);
    // Asked for in this very browser: there is nothing left to ask.
    if (root.hasAttribute("data-self")) confirm();
  }

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", begin);
  else begin();
})();
