"use strict";
// The overview: one connection that brings the whole picture twice a second; nothing is kept.
(() => {
  const byId = (id) => document.getElementById(id);
  const number = new Intl.NumberFormat("en");
  const text = (id, value) => { const node = byId(id); const next = String(value); if (node.textContent !== next) node.textContent = next; };
  const show = (id, yes) => { byId(id).hidden = !yes; };
  const make = (tag, content, kind) => {
    const node = document.createElement(tag);
    if (content !== undefined) node.textContent = content;
    if (kind) node.className = kind;
    return node;
  };
  const last = new Map();
  // Rebuilds a list only when what it shows has changed, so that a selection in it survives.
  const rebuild = (id, data, build) => {
    const key = JSON.stringify(data);
    if (last.get(id) === key) return;
    last.set(id, key);
    byId(id).replaceChildren(...build(data));
  };

  const states = { synchronized: "--good", bound: "--accent", "out-of-sync": "--warn", unbound: "--muted", stopped: "--edge" };
  const air = {
    good: "#2e9e4f", moderate: "#e0b400", unhealthy_for_sensitive_groups: "#ef7d1a", unhealthy: "#d93025",
    very_unhealthy: "#8f3f97", hazardous: "#7e0023",
  };
  const words = (name) => String(name).replaceAll("_", " ").toLowerCase();

  function spark(counts) {
    const most = Math.max(1, ...counts);
    const step = counts.length > 1 ? 240 / (counts.length - 1) : 240;
    const points = counts.map((n, at) => `${(at * step).toFixed(1)},${(46 - (n / most) * 42).toFixed(1)}`);
    const path = points.length ? `M${points.join("L")}` : "";
    byId("line").setAttribute("d", path);
    byId("area").setAttribute("d", path && `${path}L240,48L0,48Z`);
    byId("spark").setAttribute("aria-label", `Events per second over the last minute, at most ${number.format(Math.max(0, ...counts))}`);
  }

  function draw(now) {
    const counts = now.events.perSecond;
    const recent = counts.slice(-3);
    const rate = recent.reduce((sum, n) => sum + n, 0) / Math.max(1, recent.length);
    text("rate", number.format(rate < 10 ? Math.round(rate * 10) / 10 : Math.round(rate)));
    text("total", number.format(now.events.total));
    text("seq", number.format(now.records));
    text("twins", number.format(now.twins.count));
    text("connections", number.format(now.mqtt.connections));
    text("letters", number.format(now.deadLetters.total));
    spark(counts);

    show("empty", now.twins.count === 0);
    if (now.twins.count === 0) text("try", now.next.join("\n"));

    rebuild("kinds", now.twins.perInterface.slice(0, 12), (kinds) => kinds.map(({ interface: name, twins }) => {
      const row = make("tr");
      row.append(make("td", name), make("td", number.format(twins), "n"));
      return row;
    }));
    const more = now.twins.perInterface.length - 12;
    show("kindsMore", more > 0);
    if (more > 0) text("kindsMore", `and ${more} more: gemelli get interfaces`);
    show("kindCard", now.twins.perInterface.length > 0);

    const life = now.twins.lifecycle;
    show("lifeCard", life.length > 0);
    rebuild("life", life, (list) => list.flatMap(({ state, twins }) => [make("dt", state), make("dd", number.format(twins))]));
    rebuild("bar", life, (list) => list.map(({ state, twins }) => {
      const part = make("i");
      part.style.flexGrow = twins;
      part.style.background = `var(${states[state] ?? "--muted"})`;
      part.title = `${state}: ${twins}`;
      return part;
    }));

    show("airCard", now.airQuality.length > 0);
    rebuild("air", now.airQuality, (places) => places.map(({ name, index, category }) => {
      const tile = make("li");
      tile.style.setProperty("--tile", air[words(category).replaceAll(" ", "_")] ?? "var(--muted)");
      tile.append(make("span", name), make("b", index === null ? "–" : number.format(Math.round(index))), make("span", category === null ? "no report" : words(category), "cat"));
      return tile;
    }));

    const letters = now.deadLetters.latest;
    show("letterCard", letters.length > 0);
    rebuild("letterList", letters, (list) => list.map(({ code, reason, origin }) => {
      const item = make("li");
      item.append(make("code", code), ` ${reason} `, make("span", origin, "muted"));
      return item;
    }));

    text("where", `${now.node.version} · ${now.node.data}`);
    rebuild("addresses", now.addresses, (list) => list.flatMap(({ name, address }) => [make("dt", name), make("dd", address)]));
    show("notice", now.health.status !== "ok");
    if (now.health.status !== "ok") text("notice", now.health.reason);
  }

  const link = (state, label) => { const pill = byId("link"); pill.className = `pill ${state}`; text("link", label); };
  let source;
  let retry;
  function connect() {
    source = new EventSource("/v1/overview/stream");
    source.onopen = () => link("live", "live");
    source.onmessage = (message) => draw(JSON.parse(message.data));
    source.onerror = () => {
      link("lost", "no connection, trying again");
      // A browser gives up after an answer that is no stream; this page does not.
      if (source.readyState === EventSource.CLOSED) { clearTimeout(retry); retry = setTimeout(connect, 2000); }
    };
  }
  // A page that nobody sees costs the server nothing.
  document.addEventListener("visibilitychange", () => {
    clearTimeout(retry);
    source?.close();
    if (!document.hidden) connect();
  });
  connect();
})();
