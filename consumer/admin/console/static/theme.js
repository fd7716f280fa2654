// Before anything is drawn: the look that was chosen here, if one was.
(function () {
  "use strict";
  var chosen = null;
  try { chosen = localStorage.getItem("headrace-theme"); } catch (_) { /* nothing is kept here */ }
  if (chosen === "dark" || chosen === "light") document.documentElement.dataset.theme = chosen;
})();
