"use strict";
(function () {
  var root = document.querySelector("[data-session]");
  var busy = false;
  var looks = 0; // how often a pending Patient was asked about

  function one(selector) { return root.querySelector(selector); }

  function show(state, move) {
    root.querySelectorAll("[data-state]").forEach(function (section) {
      section.hidden = section.getAttribute("data-state") !== state;
    });
    if (move) one('[data-state="' + state + '"] h1').focus();
  }

  function send(method, path) {
    var abort = new AbortController();
    var timer = setTimeout(function () { abort.abort(); }, Number(root.getAttribute("data-wait")));
    return fetch(path, {
      method: method,
      credentials: "same-origin",
      cache: "no-store",
      redirect: "error",
      signal: abort.signal,
      headers: { "rid": "session", "st-auth-mode": "cookie" }
    }).finally(function () { clearTimeout(timer); });
  }

  // Asks, and when the tokens are too old, has them refreshed and asks once more.
  function ask(method, path) {
    return send(method, path).then(function (response) {
      if (response.status !== 401) return response;
      return response.json().then(function (body) {
        if (body.message !== "try refresh token") return response;
        return send("POST", root.getAttribute("data-refresh")).then(function (refreshed) {
          return refreshed.ok ? send(method, path) : refreshed;
        });
      });
    });
  }

  function tell(session) {
    var roles = session.roles.length ? session.roles : [""];
    root.querySelectorAll("[data-role]").forEach(function (item) {
      item.hidden = roles.indexOf(item.getAttribute("data-role")) < 0;
    });
    one("[data-roles]").querySelectorAll("[data-more]").forEach(function (item) { item.remove(); });
    roles.forEach(function (role) {
      var known = Array.prototype.some.call(root.querySelectorAll("[data-role]"), function (item) {
        return item.getAttribute("data-role") === role;
      });
      if (known) return;
      var item = document.createElement("li");
      item.setAttribute("data-more", "");
      item.textContent = role;
      one("[data-roles]").appendChild(item);
    });
    root.querySelectorAll("[data-patient]").forEach(function (text) {
      var now = text.getAttribute("data-patient") === session.patient;
      if (now && text.hidden && looks) one("[data-status]").textContent = text.textContent;
      text.hidden = !now;
    });
    // When the session began is not always known.
    one("[data-since-row]").hidden = !session.createdAt;
    if (session.createdAt) {
      var since = one("[data-since]");
      since.dateTime = session.createdAt;
      since.textContent = new Date(session.createdAt).toLocaleString(document.documentElement.lang,
        { dateStyle: "medium", timeStyle: "short" });
    }
    if (session.patient === "pending" && looks < 6) {
      looks += 1;
      setTimeout(function () { if (!busy) look(false); }, 1000 * Math.pow(2, looks));
    }
  }

  function look(first) {
    return ask("GET", root.getAttribute("data-session")).then(function (response) {
      if (response.status === 401) return show("out", !first);
      if (!response.ok) throw new Error("not now");
      return response.json().then(function (session) {
        tell(session);
        if (one('[data-state="in"]').hidden) show("in", true);
      });
    }).catch(function () { if (one('[data-state="in"]').hidden) show("error", true); });
  }

  function leave() {
    if (busy) return;
    var button = one("[data-leave]");
    var alert = one("[data-alert]");
    function working(on) {
      busy = on;
      button.setAttribute("aria-disabled", String(on));
      button.textContent = button.getAttribute(on ? "data-busy" : "data-label");
      one("[data-status]").textContent = on ? button.getAttribute("data-busy") : "";
    }
    function complain(on) {
      alert.textContent = on ? alert.getAttribute("data-text") : "";
      alert.classList.toggle("shown", on);
    }
    complain(false);
    working(true);
    ask("POST", root.getAttribute("data-sign-out")).then(function (response) {
      // 401: there was nobody to sign out any more.
      if (!response.ok && response.status !== 401) throw new Error("not now");
      working(false);
      show("out", true);
    }).catch(function () {
      working(false);
      complain(true);
      button.focus();
    });
  }

  one("[data-leave]").addEventListener("click", leave);
  one("[data-again]").addEventListener("click", function () { show("loading", true); look(false); });
  window.addEventListener("pageshow", function (event) { if (event.persisted) location.reload(); });
  look(true);
})();
