"""Refreshing the economy's figures from files of Riksbanken and SCB.

What belongs here: reading their published formats, telling the series apart, landing
figures with their vintage. What does not: which figure holds on a day (dbt's
``stg_economy`` and ``economy``), and fetching anything.
"""
