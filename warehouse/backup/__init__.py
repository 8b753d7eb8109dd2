"""Copies of all state: made while the system runs, verified, restored, upgraded.

What belongs here: what of a data folder is kept and how it is copied so that the copy
is of one moment. What does not: the meaning of any table or file.

    <backups>/20261129T013000Z/manifest.json   what is there, with digests and counts
    <backups>/20261129T013000Z/data/...        as it lay in the data folder
"""
