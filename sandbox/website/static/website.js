"use strict";
// A guest's session comes from the bot, as it does for any front end: made with the first page view, kept in a cookie
// that no script can read. Who signs in claims what the guest wrote.
(function () {
  var one = document.querySelector.bind(document);
  var guest = "";

  function call(method, path, body) {
    return fetch(path, {
      method: method,
      credentials: "same-origin",
      cache: "no-store",
      headers: { "content-type": "application/json", "rid": "session", "st-auth-mode": "cookie" },
      body: body === undefined ? undefined : JSON.stringify(body)
    });
  }

  function json(response) {
    if (!response.ok) return response.json().then(function (b) { throw new Error(b.message || "That did not work."); });
    return response.status === 204 ? null : response.json();
  }

  // Asks, and when the tokens are too old, has them refreshed and asks once more.
  function session() {
    return call("GET", "/auth/session").then(function (response) {
      if (response.status !== 401) return json(response);
      return response.json().then(function (body) {
        if (body.message !== "try refresh token") return null;
        return call("POST", "/auth/session/refresh").then(function (refreshed) {
          return refreshed.ok ? call("GET", "/auth/session").then(json) : null;
        });
      });
    });
  }

  function begin() {
    return session().then(function (who) {
      one("[data-login]").hidden = !!who;
      one("[data-account]").hidden = !who;
      one("[data-ask]").hidden = !!who;
      if (who) {
        one("[data-who]").textContent = "Signed in";
        one("[data-list-title]").textContent = "In your health record";
        return call("PATCH", "/auth/anonymous/claim").then(json);
      }
      return call("POST", "/auth/anonymous-session").then(json).then(function (body) {
        guest = body.data.guest_id;
        one("[data-who]").textContent = "You are a guest";
      });
    }).then(list);
  }

  function list() {
    return call("GET", "/answers?guest=" + encodeURIComponent(guest)).then(json).then(function (body) {
      one("[data-none]").hidden = body.answers.length > 0;
      one("[data-list]").replaceChildren.apply(one("[data-list]"), body.answers.map(function (a) {
        var item = document.createElement("li");
        var mood = document.createElement("strong");
        var note = document.createElement("span");
        var time = document.createElement("time");
        mood.textContent = a.mood;
        note.textContent = a.note || "";
        time.dateTime = a.at;
        time.textContent = new Date(a.at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
        item.append(mood, note, time);
        return item;
      }));
    });
  }

  function problem(text) {
    one("[data-problem]").textContent = text;
    one("[data-problem]").hidden = !text;
  }

  one("[data-form]").addEventListener("submit", function (event) {
    event.preventDefault();
    var form = event.currentTarget;
    problem("");
    call("POST", "/answers", { guest: guest, mood: new FormData(form).get("mood"), note: one("#note").value })
      .then(json).then(function () {
        form.reset();
        one("[data-status]").textContent = "Written down.";
        return list();
      }).catch(function (err) { problem(err.message); });
  });
  window.addEventListener("pageshow", function (event) { if (event.persisted) location.reload(); });
  begin().catch(function () { one("[data-who]").textContent = "The bot is not answering"; });
})();
