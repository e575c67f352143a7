"use strict";
// Everything shown comes from the stream and is written as text: no markup is ever made from it.
(function () {
  var one = document.querySelector.bind(document);
  var all = document.querySelectorAll.bind(document);
  var chat = one("[data-chat]");
  var steps = one("[data-steps]");
  var statuses = one("[data-statuses]");
  var quietSteps = steps.firstElementChild;
  var quietStatuses = statuses.firstElementChild;
  var cards = one("[data-cards]");
  var empty = one("[data-empty]");
  var user = one("[data-user]").getAttribute("data-user");
  var world;
  var live = false; // what is only remembered is not new

  function forget() {
    world = { messages: {}, flows: {}, statuses: [], cards: [], unread: {} };
  }

  function make(tag, name, text) {
    var e = document.createElement(tag);
    if (name) e.className = name;
    if (text) e.textContent = text;
    return e;
  }

  function clock(at) {
    return new Date(at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  }

  function ticks(state) {
    var words = { sent: "sent", delivered: "delivered", read: "read", lost: "could not be read" };
    var e = make("span", "ticks " + state);
    var mark = make("span", "", state === "sent" ? "✓" : state === "lost" ? "!" : "✓✓");
    mark.setAttribute("aria-hidden", "true");
    e.append(mark, make("span", "unseen", words[state] || state));
    return e;
  }

  function bubble(m) {
    var e = make("div", "bubble " + (m.bot ? "bot" : "own"));
    e.append(make("span", "unseen", m.bot ? "The bot: " : "You: "));
    var text = make("p");
    (m.parts || []).forEach(function (part) {
      if (!part.href) { text.append(part.text); return; }
      var link = make("a", "", part.text);
      link.href = part.href;
      link.target = "_blank";
      link.rel = "noopener noreferrer";
      text.append(link);
    });
    var foot = make("span", "meta", clock(m.at));
    if (m.tick) foot.append(ticks(m.tick));
    e.append(text, foot);
    return e;
  }

  function atEnd() { return chat.scrollHeight - chat.scrollTop - chat.clientHeight < 90; }

  function drawChat() {
    var list = world.messages[user] || [];
    var follow = atEnd();
    list.forEach(function (m) {
      if (m.changed || !m.element) {
        var fresh = bubble(m);
        if (m.element && m.element.parentNode) m.element.replaceWith(fresh);
        m.element = fresh;
        m.changed = false;
      }
      if (!m.element.parentNode) chat.append(m.element);
    });
    empty.hidden = list.length > 0;
    if (follow) chat.scrollTop = chat.scrollHeight;
  }

  function clearChat() {
    Array.prototype.slice.call(chat.children).forEach(function (e) { if (e !== empty) e.remove(); });
  }

  function drawSteps() {
    var flow = world.flows[user];
    if (!flow) return steps.replaceChildren(quietSteps);
    var start = Math.min.apply(null, flow.list.map(function (s) { return s.at || Infinity; }));
    steps.replaceChildren.apply(steps, flow.list.map(function (s) {
      var e = make("li", "step " + (s.state || "good"));
      var head = make("p", "title", s.title);
      if (s.at) head.append(make("span", "time", "+" + (s.at - start) + " ms"));
      e.append(head);
      if (s.state === "doing" || s.state === "bad") head.prepend(make("span", "unseen", s.state === "bad" ? "Failed: " : "Under way: "));
      if (s.detail) e.append(make("p", "detail", s.detail));
      return e;
    }));
  }

  function drawStatuses() {
    var list = world.statuses.filter(function (s) { return !s.user || s.user === user; });
    if (!list.length) return statuses.replaceChildren(quietStatuses);
    statuses.replaceChildren.apply(statuses, list.map(function (s) {
      var e = make("li", "status " + (s.state || "good"));
      e.append(make("span", "title", s.title), make("span", "detail", s.detail));
      return e;
    }));
  }

  function drawCards() {
    var list = world.cards.filter(function (c) { return c.user === user; });
    cards.hidden = !list.length;
    cards.replaceChildren.apply(cards, list.map(function (c) {
      var e = make("section", "card");
      e.append(make("h2", "", c.title));
      if (c.detail) e.append(make("p", "detail", c.detail));
      if (!c.rows) return e;
      var rows = make("dl");
      c.rows.forEach(function (r) { rows.append(make("dt", "", r.name), make("dd", "", r.value)); });
      e.append(rows);
      return e;
    }));
  }

  function drawUsers() {
    all("[data-user]").forEach(function (b) {
      var id = b.getAttribute("data-user");
      b.setAttribute("aria-pressed", String(id === user));
      var badge = b.querySelector("[data-badge]");
      badge.hidden = !world.unread[id];
      badge.textContent = world.unread[id] ? world.unread[id] + " new" : "";
    });
  }

  function draw() { drawChat(); drawSteps(); drawStatuses(); drawCards(); drawUsers(); }

  function put(list, item, key) {
    var at = list.findIndex(function (x) { return key(x) === key(item); });
    if (at < 0) list.push(item);
    else list[at] = item;
  }

  var take = {
    message: function (e) {
      var list = world.messages[e.user] = world.messages[e.user] || [];
      if (list.some(function (m) { return m.id === e.id && m.bot === e.bot; })) return;
      list.push(e);
      if (list.length > 300) { var old = list.shift(); if (old.element) old.element.remove(); }
      if (live && e.bot && e.user !== user) world.unread[e.user] = (world.unread[e.user] || 0) + 1;
    },
    tick: function (e) {
      // What was lost can still be delivered: it is asked for again.
      var order = ["sent", "lost", "delivered", "read"];
      (world.messages[e.user] || []).forEach(function (m) {
        if (m.id !== e.id || order.indexOf(e.tick) < order.indexOf(m.tick)) return;
        m.tick = e.tick;
        m.changed = true;
      });
    },
    step: function (e) {
      var flow = world.flows[e.user];
      if (!flow || flow.id !== e.flow) flow = world.flows[e.user] = { id: e.flow, list: [] };
      put(flow.list, e, function (s) { return s.id; });
      if (flow.list.length > 60) flow.list.shift();
    },
    status: function (e) { put(world.statuses, e, function (s) { return s.id + "\n" + (s.user || ""); }); },
    card: function (e) { put(world.cards, e, function (c) { return c.id + "\n" + c.user; }); },
    "switch": function (e) {
      all("[data-fault]").forEach(function (b) {
        if (b.getAttribute("data-fault") === e.id && !b.hasAttribute("data-momentary")) b.setAttribute("aria-pressed", String(!!e.on));
      });
    }
  };

  var waiting = false;
  function drawSoon() {
    if (waiting) return;
    waiting = true;
    setTimeout(function () { waiting = false; draw(); }, 16);
  }

  function listen() {
    var state = one("[data-stream]");
    var source = new EventSource("/events");
    source.onopen = function () { state.textContent = "Live"; state.className = "stream good"; };
    source.onerror = function () {
      state.textContent = "The sandbox is not answering";
      state.className = "stream bad";
      // A refused connection is final for the browser: try again ourselves.
      if (source.readyState === EventSource.CLOSED) setTimeout(listen, 2000);
    };
    source.addEventListener("reset", function () {
      live = false;
      forget();
      clearChat();
      all("[data-fault][aria-pressed]").forEach(function (b) { b.setAttribute("aria-pressed", "false"); });
      drawSoon();
    });
    source.addEventListener("live", function () { live = true; });
    source.onmessage = function (message) {
      var e = JSON.parse(message.data);
      if (Object.prototype.hasOwnProperty.call(take, e.kind)) take[e.kind](e);
      drawSoon();
    };
  }

  function problem(text) {
    var e = one("[data-problem]");
    var follow = atEnd();
    e.textContent = text;
    e.hidden = !text;
    if (follow) chat.scrollTop = chat.scrollHeight;
  }

  function post(path, body) {
    return fetch(path, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body)
    }).then(function (response) {
      if (response.ok) return problem("");
      return response.json().then(function (b) { throw new Error(b.message); });
    }).catch(function (err) {
      problem(err instanceof TypeError || err instanceof SyntaxError ? "The sandbox is not answering." : err.message);
      throw err;
    });
  }

  one("[data-form]").addEventListener("submit", function (event) {
    event.preventDefault();
    var input = one("[data-text]");
    var text = input.value;
    if (!text.trim()) return;
    input.value = "";
    one("[data-typed]").hidden = true;
    one("[data-phrase]").hidden = false;
    post("/send", { user: user, text: text }).catch(function () { if (!input.value) input.value = text; });
  });
  one("[data-phrase]").addEventListener("click", function (event) {
    post("/send", { user: user, text: event.currentTarget.getAttribute("data-phrase") }).catch(function () {});
  });
  all("[data-user]").forEach(function (button) {
    button.addEventListener("click", function () {
      user = button.getAttribute("data-user");
      delete world.unread[user];
      problem("");
      clearChat();
      draw();
    });
  });
  all("[data-fault]").forEach(function (button) {
    button.addEventListener("click", function () {
      var on = button.hasAttribute("data-momentary") || button.getAttribute("aria-pressed") !== "true";
      post("/fault", { id: button.getAttribute("data-fault"), on: on }).catch(function () {});
    });
  });

  // A link to the chat brings a text along: it is typed in already, and the person sends it.
  if (location.pathname.indexOf("/chat/") === 0) {
    var typed = new URLSearchParams(location.search).get("text") || "";
    history.replaceState(null, "", "/");
    one("[data-text]").value = typed;
    one("[data-typed]").hidden = !typed;
    one("[data-phrase]").hidden = !!typed;
    one("[data-text]").focus();
  }

  forget();
  listen();
})();
