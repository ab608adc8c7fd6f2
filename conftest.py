"""What all tests of the repository share."""

from hypothesis import settings

pytest_plugins = ["tests.fake_asr"]

# A deadline in milliseconds measures the machine, not the code.
settings.register_profile("wlkd", deadline=None)
settings.load_profile("wlkd")
