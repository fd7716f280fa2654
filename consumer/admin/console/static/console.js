// Beside what pages do without it: the look, keys, and telling live parts that there is something new.
(function () {
  "use strict";
  var root = document.documentElement;
  var polled = 15000;

  function isDark() {
    return root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  }
  function label() {
    var button = document.getElementById("theme");
    if (!button) return;
    button.hidden = false;
    button.lastChild.textContent = isDark() ? "Light look" : "Dark look";
  }
  document.addEventListener("click", function (event) {
    var target = event.target instanceof Element ? event.target : null;
    if (target && target.closest("#theme")) {
      root.dataset.theme = isDark() ? "light" : "dark";
      try { localStorage.setItem("headrace-theme", root.dataset.theme); } catch (_) { /* for this page only */ }
      label();
    }
    if (target && target.closest("[data-cancel]")) target.closest("details").open = false;
  });

  var going = false;
  document.addEventListener("keydown", function (event) {
    var at = event.target instanceof Element ? event.target : document.body;
    if (event.ctrlKey || event.metaKey || event.altKey || at.closest("input, textarea, select")) return;
    if (event.key === "/") {
      var search = document.getElementById("search");
      if (search) { event.preventDefault(); search.focus(); search.select(); }
      return;
    }
    if (going) {
      var link = document.querySelector('.menu a[data-key="' + CSS.escape(event.key) + '"]');
      if (link) link.click();
    }
    going = event.key === "g" && !going;
    if (going) setTimeout(function () { going = false; }, 1500);
  });

  function look() {
    // what somebody is about to fill in is not taken from under their hands
    if (document.querySelector("[data-live] details[open] form, [data-live] form:focus-within")) return;
    document.body.dispatchEvent(new Event("look"));
  }
  document.addEventListener("DOMContentLoaded", function () {
    label();
    if (!document.querySelector("[data-live]")) return;
    var timer = null, first = true;
    function poll() { if (!timer) timer = setInterval(look, polled); }
    if (!("EventSource" in window)) { poll(); return; }
    var events = new EventSource("/events");
    events.addEventListener("look", function () {
      clearInterval(timer); timer = null;
      if (!first) look();
      first = false;
    });
    events.addEventListener("error", poll);
  });
})();
