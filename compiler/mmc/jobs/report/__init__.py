"""Reports on runs: results for programs, figures and pages for people.

``results`` reads what jobs wrote, ``drawing`` makes the figures from it, ``page`` the page. The step ``report`` does
that from its inputs, inside the workflow; ``command`` for a whole run, of which ``run_folder`` knows more: jobs, times,
events, the study.
"""
