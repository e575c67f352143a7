"use strict";
// A reload keeps the fragment, which a link to this page would lose.
(function () {
  var button = document.querySelector("[data-retry]");
  button.hidden = false;
  button.addEventListener("click", function () { location.reload(); });
})();
