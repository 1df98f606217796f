"""The Jinja2 templates of the targets, one folder each. A package so that they ship inside the wheel."""
