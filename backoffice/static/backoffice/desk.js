/* Copy buttons, one-time submit, keyboard help, and panels that keep working without a mouse. No inline script anywhere: CSP. */
(function () {
  "use strict";

  /* Charts write in a grey that reads on both grounds; the theme is not on the page yet, so ask where it is remembered. */
  if (window.Chart) {
    var chosen = (localStorage.getItem("adminTheme") || "auto").replace(/"/g, "");
    var dark = chosen === "dark" || (chosen === "auto" && window.matchMedia("(prefers-color-scheme: dark)").matches);
    window.Chart.defaults.color = dark ? "#a3abb8" : "#4b5563";
  }

  /* The desk fetches its chart after itself; Unfold draws charts only once, when a page is loaded: a chart that came before that is drawn by it. */
  document.addEventListener("htmx:afterSettle", function () {
    var canvas = document.querySelector("#desk-chart canvas.chart:not([data-drawn])");
    if (canvas && document.readyState === "complete" && !window.Chart.getChart(canvas) && typeof renderCharts === "function") {
      canvas.dataset.drawn = "1";
      renderCharts();
    }
  });

  function say(text) {
    var place = document.getElementById("desk-announce");
    if (!place) {
      place = document.createElement("div");
      place.id = "desk-announce";
      place.setAttribute("role", "status");
      place.className = "visually-hidden";
      document.body.appendChild(place);
    }
    place.textContent = text;
  }

  function copyWithSelection(text) {
    var area = document.createElement("textarea");
    area.value = text;
    area.setAttribute("readonly", "");
    area.className = "visually-hidden";
    document.body.appendChild(area);
    area.select();
    var done = document.execCommand("copy");
    area.remove();
    return done;
  }

  function shown(button) {
    var icon = button.querySelector(".material-symbols-outlined");
    button.classList.add("copied");
    if (icon) { icon.textContent = "check"; }
    button.setAttribute("title", "Copied");
    say("Copied");
    setTimeout(function () {
      button.classList.remove("copied");
      if (icon) { icon.textContent = "content_copy"; }
      button.setAttribute("title", "Copy");
    }, 1500);
  }

  document.addEventListener("click", function (event) {
    var button = event.target.closest("button[data-copy]");
    if (!button) { return; }
    event.preventDefault();
    event.stopPropagation();
    var text = button.dataset.copy;
    if (navigator.clipboard && window.isSecureContext) {
      navigator.clipboard.writeText(text).then(function () { shown(button); }, function () {
        if (copyWithSelection(text)) { shown(button); }
      });
    } else if (copyWithSelection(text)) {
      shown(button);
    }
  });

  /* A confirm form goes out once; the key in it makes a second one harmless anyway. */
  document.addEventListener("submit", function (event) {
    var form = event.target;
    if (!form.matches("form[data-once]")) { return; }
    if (form.dataset.sent) { event.preventDefault(); return; }
    form.dataset.sent = "1";
    form.querySelectorAll("button[type=submit]").forEach(function (button) { button.setAttribute("aria-busy", "true"); });
  });

  /* Coming back by the back button shows the form again, usable. */
  window.addEventListener("pageshow", function () {
    document.querySelectorAll("form[data-once]").forEach(function (form) { delete form.dataset.sent; });
  });

  function typing(element) {
    return element && (/^(input|textarea|select)$/i.test(element.tagName) || element.isContentEditable);
  }

  /* "?" opens the sheet of keys, "g" then a letter goes somewhere. */
  var waiting = null;
  document.addEventListener("keydown", function (event) {
    if (event.ctrlKey || event.metaKey || event.altKey || typing(document.activeElement)) { return; }
    var sheet = document.getElementById("desk-keys");
    if (event.key === "?" && sheet && sheet.showModal) {
      event.preventDefault();
      if (sheet.open) { sheet.close(); } else { sheet.showModal(); }
      return;
    }
    if (waiting) {
      clearTimeout(waiting);
      waiting = null;
      var target = document.querySelector('[data-go="' + CSS.escape(event.key) + '"]');
      if (target) { event.preventDefault(); window.location = target.getAttribute("href"); }
      return;
    }
    if (event.key === "g") {
      waiting = setTimeout(function () { waiting = null; }, 1200);
    }
  });

  document.addEventListener("click", function (event) {
    if (event.target.closest("[data-close-keys]")) { document.getElementById("desk-keys").close(); }
    if (event.target.closest("[data-open-keys]")) { document.getElementById("desk-keys").showModal(); }
  });

  /* Which groups of the sidebar are open goes into a cookie, so that the next page comes from the server as this one was left. */
  document.addEventListener("toggle", function (event) {
    var group = event.target;
    if (!group.matches || !group.matches("details[data-group]") || group.open === (group.dataset.was === "open")) { return; }
    group.dataset.was = group.open ? "open" : "shut";
    var name = "sidebar_open=";
    var known = document.cookie.split("; ").find(function (one) { return one.startsWith(name); });
    var slugs = known ? known.slice(name.length).split(".").filter(function (one) { return one && one !== group.dataset.group; }) : [];
    if (group.open) { slugs.push(group.dataset.group); }
    document.cookie = name + slugs.join(".") + "; path=/; max-age=31536000; samesite=lax" + (location.protocol === "https:" ? "; secure" : "");
  }, true);

  /* Pages that are moving ask again every few seconds, and stop when the tab is hidden. */
  document.addEventListener("DOMContentLoaded", function () {
    var moving = document.querySelector("[data-refresh-seconds]");
    if (!moving || !window.htmx) { return; }
    setInterval(function () {
      var now = document.querySelector("[data-refresh-seconds]");
      if (!now || document.hidden) { return; }
      window.htmx.ajax("GET", window.location.href, { source: now, target: now, select: "#" + now.id, swap: "outerHTML" });
    }, Math.max(2, Number(moving.dataset.refreshSeconds)) * 1000);
  });
})();
