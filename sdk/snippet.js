/* Loads the SDK beside the page, and keeps what the page calls until it is there. */
((page, address) => {
  const nothing = { content: [], segments: [], valid_until: null, as_of: null };
  const sdk = { calls: [] };
  for (const method of "init identify track page properties reset decide shown".split(" ")) {
    sdk[method] = (...given) =>
      new Promise((done) => {
        sdk.calls.push([method, given, Date.now(), done]);
        setTimeout(done, 5000, nothing);
      });
  }
  if (!page.enduser || page.enduser.nodeType) {
    page.enduser = sdk;
  }
  const script = document.createElement("script");
  script.async = true;
  script.src = address;
  script.onerror = () => {
    sdk.calls.forEach((call) => call[3](nothing));
    sdk.calls = { push: (call) => call[3](nothing) };
  };
  document.head.appendChild(script);
})(window, "HOST/enduser.js?key=KEY");
