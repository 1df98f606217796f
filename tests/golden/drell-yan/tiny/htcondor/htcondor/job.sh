#!/usr/bin/env bash
# What is started on a machine: task.sh with the digest of the table, and rows of it.
# Compiled by mmc 0.1.0 from the study drell-yan-tiny; change the study, not this file.

exec bash task.sh "$@"
