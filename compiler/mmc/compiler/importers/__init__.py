"""Studies from what analyses were written in before: one module for each kind of source."""
