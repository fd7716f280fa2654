"""One hypothesis profile: enough time for two loaded cores, a bounded number of examples."""

from datetime import timedelta

from hypothesis import HealthCheck, settings

settings.register_profile(
    "headrace",
    deadline=timedelta(seconds=5),
    max_examples=100,
    suppress_health_check=[HealthCheck.too_slow],
    database=None,
    print_blob=True,
)
settings.load_profile("headrace")
