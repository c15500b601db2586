// `node send.cjs segment|rudder URL KEY`: makes the calls of standard input with an SDK, as send.py does.
const { readFileSync } = require("node:fs");

const [sdk, url, key] = process.argv.slice(2);

function clientOf() {
  if (sdk === "rudder") {
    const Analytics = require("@rudderstack/rudder-sdk-node");
    return new Analytics(key, { dataPlaneUrl: url });
  }
  const { Analytics } = require("@segment/analytics-node");
  return new Analytics({ writeKey: key, host: url });
}

const client = clientOf();
for (const { type, timestamp, ...call } of JSON.parse(readFileSync(0, "utf8"))) {
  client[type]({ ...call, timestamp: new Date(timestamp) });
}
if (sdk === "rudder") client.flush();
else client.closeAndFlush();
