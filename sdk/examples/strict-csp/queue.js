/* The snippet for pages that may have no code inside: keeps what the page calls until the SDK is there. */
(() => {
  const nothing = { content: [], segments: [], valid_until: null, as_of: null };
  const sdk = { calls: [] };
  for (const method of ["init", "identify", "track", "page", "properties", "reset", "decide", "shown"]) {
    sdk[method] = (...given) =>
      new Promise((done) => {
        sdk.calls.push([method, given, Date.now(), done]);
        setTimeout(done, 5000, nothing);
      });
  }
  window.enduser = sdk;
  // Errors of a script tag do not rise to the window, but pass it on their way down.
  const hear = (event) => {
    if (String(event.target.src).includes("/enduser.js?")) {
      for (const call of sdk.calls) call[3](nothing);
      sdk.calls = { push: (call) => call[3](nothing) };
      removeEventListener("error", hear, true);
    }
  };
  addEventListener("error", hear, true);
})();
