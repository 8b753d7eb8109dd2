"""How old what the night makes may grow before Dagster says so.

What belongs here: the policies by name. What does not: which asset has which
(``defs``). The daemon looks every half minute; an asset is judged by when it was last
made, whether or not anything in it changed.
"""

from __future__ import annotations

from datetime import timedelta

import dagster as dg

# A night begins a day after the one before and takes up to some hours.
NIGHTLY_FRESH = dg.FreshnessPolicy.time_window(
    warn_window=timedelta(hours=30), fail_window=timedelta(hours=54)
)
"""What is made every night: warns after a missed night, fails after two."""

# A cadence of retraining says when a model is due; the night looks every night.
MODEL_FRESH = dg.FreshnessPolicy.time_window(
    warn_window=timedelta(days=3), fail_window=timedelta(days=8)
)
"""Models, which the night looks at every night and trains when they are due."""
