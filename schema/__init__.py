"""The study language: one JSON Schema per released version. A package so that it ships inside the wheel."""
