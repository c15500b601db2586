"""Where the libraries run that send events: on servers, or with the user (docs/tracking-protocol.md)."""

from __future__ import annotations

SERVER_LIBRARIES = frozenset(
    (
        "@rudderstack/rudder-sdk-node",
        "@segment/analytics-node",
        "Analytics.NET",
        "RudderAnalytics.NET",
        "analytics-clojure",
        "analytics-elixir",
        "analytics-go",
        "analytics-java",
        "analytics-node",
        "analytics-node-next",
        "analytics-php",
        "analytics-python",
        "analytics-ruby",
        "analytics-rust",
        "rudder-analytics-php",
        "rudder-analytics-python",
        "rudder-analytics-ruby",
        "rudder-sdk-go",
        "rudder-sdk-java",
        "rudder-sdk-node",
        "rudder-sdk-python",
        "rudder-sdk-ruby",
    )
)
"""Values of `context.library.name` of libraries on servers: the request's address and user agent are
the server's, never the user's. RudderStack's for Python, Node, Go and others use Segment's names."""

DEVICE_LIBRARIES = frozenset(
    (
        "@segment/analytics-next",
        "@segment/analytics-react-native",
        "RudderLabs JavaScript SDK",
        "analytics-android",
        "analytics-flutter",
        "analytics-ios",
        "analytics-kotlin",
        "analytics-react-native",
        "analytics-swift",
        "analytics.js",
        "analytics_flutter",
        "com.rudderstack.android.sdk.core",
        "com.rudderstack.sdk.kotlin.android",
        "enduser.js",
        "rudder-flutter-library",
        "rudder-ios-library",
        "rudder-react-native-library",
    )
)
"""Values of `context.library.name` of libraries that run in the user's browser or app: the request's
address and user agent are the user's, where the context does not name them."""
