"""The closure tests. Each file holds one test: its figures, thresholds, grade, table columns and explanation."""
