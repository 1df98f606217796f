#!/usr/bin/env bash
# What HTCondor starts on a machine: the jobs in these rows of jobs.tsv.
# Compiled by mmc 0.1.0 from the study zh-ee; change the study, not this file.

exec bash task.sh "$@"
