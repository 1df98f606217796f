"""Which jobs of a run have to run: those without an output, and those whose output is damaged or out of date."""
