"""The table macros of a snapshot, answered for a few rows in a millisecond or two.

DuckDB plans a query of thousands of operators anew each time it is asked, which takes
longer than the answer. Here the very text of a macro is compiled once to Python over
indexed columns in memory: the SQL stays the only definition, and what cannot be
compiled is left to DuckDB. What does not belong here: what any macro or table means.
"""
