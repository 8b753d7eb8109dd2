"""The process that holds the vendor's client; the only code that imports it.

``python -m ml.hopsworks.worker FD`` reads requests from a pipe and answers each. What
belongs here: what is done with the client, one function an operation. What does not:
deadlines, repeats and locks, which its parent sees to, and rules for rows and models,
which were checked before.
"""
