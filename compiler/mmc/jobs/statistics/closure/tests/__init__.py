"""The closure tests: a file each, with its figures, its grade, its thresholds, its columns and its explanation."""
