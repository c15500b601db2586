/* The page's own script. */
window.enduser.identify("ada");
addEventListener("DOMContentLoaded", () => {
  document.getElementById("buy").addEventListener("click", () => window.enduser.track("Bought"));
  document.getElementById("decide").addEventListener("click", async () => {
    const decision = await window.enduser.decide();
    document.getElementById("seen").textContent = JSON.stringify(decision, undefined, 2);
  });
});
