"""Convert other tools' input files to studies: one module per kind of source."""
