"""The preflight: does a cluster do all that publishing to it needs, and if not, why.

``python -m ml.hopsworks check`` runs it. Each module holds steps of one kind: asked of
sockets (``network``), of the REST interface (``questions``), of the ways that rows take
(``ways``), of the client itself (``trials``). ``order`` says which are run and
``outcomes`` how; ``report`` tells them. What does not belong here: publishing.
"""
