"use strict";
// The link's secret is in the fragment. It is taken out of the address bar before anything else happens, and lives
// only in this closure: not in storage, not in history, not in the page.
(function () {
  var code = "";
  var busy = false;
  var root = null;
  var offer = null; // what could come along, once the digits were right
  var agreed = false; // that whoever else is signed in here is signed out

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
    if (one("#digits").value) b.digits = one("#digits").value;
    if (offer) {
      b.bringGuest = !!offer.guest && one("[data-bring]").checked;
      if (b.bringGuest) b.offer = offer.tag;
    }
    if (asksOther()) agreed = true; // the button says so
    if (agreed) b.replaceSession = true;
    return b;
  }

  // Which of the questions is shown; the digits stay typed in behind the others.
  function ask(question) {
    one("[data-digits]").hidden = question !== "digits";
    one("[data-offer]").hidden = question !== "offer";
    root.querySelectorAll("[data-other]").forEach(function (e) { e.hidden = question !== "other"; });
    var hint = one("[data-digits-hint]");
    if (hint) hint.hidden = question !== "digits";
    if (question !== "offer") offer = null;
    working(false);
  }

  // What a guest did, in words: how many of each kind.
  function describe(kinds) {
    var list = one("[data-kinds]");
    var forms = 0;
    var others = 0;
    Object.keys(kinds || {}).forEach(function (kind) {
      if (kind === "QuestionnaireResponse") forms += kinds[kind]; else others += kinds[kind];
    });
    var lines = [];
    function count(n, single, many) {
      if (n > 0) lines.push(n === 1 ? list.getAttribute(single) : list.getAttribute(many).replace("{}", n));
    }
    count(forms, "data-form-one", "data-forms");
    count(others, "data-kind-one", "data-kinds-many");
    if (!lines.length) lines.push(list.getAttribute("data-unknown"));
    list.textContent = "";
    lines.forEach(function (line) {
      var item = document.createElement("li");
      item.textContent = line;
      list.appendChild(item);
    });
  }

  // The default is no, also when it is asked again.
  function askOffer(of) {
    var where = one("[data-where]");
    ask("offer");
    offer = of || {};
    where.textContent = where.getAttribute(!offer.guest ? "data-gone" : offer.here ? "data-here" : "data-there");
    one("[data-bring]").checked = false;
    one("[data-choice]").hidden = one("[data-kinds]").hidden = !offer.guest;
    describe(offer.kinds);
    one("[data-offer] h2").focus();
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
      ask("digits");
      tries(answer.triesLeft);
      complain("required");
      return field.focus();
    case "digits_wrong":
      ask("digits");
      tries(answer.triesLeft);
      complain("wrong");
      field.value = "";
      return field.focus();
    case "signed_in_as_other":
      agreed = false;
      ask("other");
      complain("asked");
      return one("[data-confirm]").focus();
    case "offer":
      return askOffer(answer.offer);
    default:
      throw new Error("not now");
    }
  }

  // The login that the link belongs to may know better where to go than the address of this page.
  function done(answer) {
    code = "";
    arrive("done");
    var next = new URL(answer.returnPath || root.getAttribute("data-next"), location.origin);
    if (next.origin === location.origin) one("[data-leave]").href = next.href;
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
      if (answer.status === "OK") return done(answer);
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
      agreed = false;
      one("#digits").value = "";
      ask(root.hasAttribute("data-digits-first") ? "digits" : root.hasAttribute("data-other-first") ? "other" : "");
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
