"""What telemetry costs: the two kinds of runs that are compared, each of Headrace alone on the same topic."""

from collections.abc import Mapping

NAME = "telemetry"
OFF, ON = "all off", "all on"
MOST = 3.0
"""Percent of the rate that all of it may cost."""
SCRAPE_EVERY = 1.0
"""Seconds between scrapes, which are fifteen or more elsewhere."""

SETTINGS: Mapping[str, Mapping[str, str]] = {
    OFF: {
        "HEADRACE_TELEMETRY__SERVE": "false",
        "HEADRACE_TELEMETRY__LOOK_EVERY": "3600",
        "HEADRACE_TRACE__ENDPOINT": "",
        "HEADRACE_LOG__LEVEL": "error",
    },
    ON: {
        "HEADRACE_TELEMETRY__SERVE": "true",
        # five times as often as by default
        "HEADRACE_TELEMETRY__LOOK_EVERY": "2",
        "HEADRACE_TRACE__RATIO": "1",
        "HEADRACE_LOG__LEVEL": "info",
    },
}
"""What each is started with beside its defaults; where it is served and sent to is added when it is started."""
