"""Panel pages over the published snapshot and the model registry.

``store`` holds state without any Panel import, ``theme`` colours and formats,
``charts`` SVG, and each page is a thin view. Never opens the warehouse.
"""
