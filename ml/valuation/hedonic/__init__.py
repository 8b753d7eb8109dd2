"""What homes and their neighbours sold for, apart from the market: fitted, not counted.

What belongs here: the joint regression of prices on what is known of a home (``terms``,
``ridge``), what its neighbours fetched beyond it (``neighbours``), and both as features
of any home on any day (``hedonics``). What does not: the features that plain SQL can
compute, which are dbt's, and the boosted trees that read them all (``models``).
"""
