"""One module per stage of the data flow; Dagster finds their assets by itself."""
