/* The page's own script. No code stands in the page itself, so the queue for calls is made here. */
const calls = [];
window.enduser = { calls };
for (const method of ["init", "identify", "track", "page", "properties", "reset", "decide", "shown"]) {
  window.enduser[method] = (...given) => new Promise((done) => calls.push([method, given, Date.now(), done]));
}

window.enduser.identify("ada");
addEventListener("DOMContentLoaded", () => {
  document.getElementById("buy").addEventListener("click", () => window.enduser.track("Bought"));
});
