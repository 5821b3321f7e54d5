#!/bin/sh
# Runs a task with the workers of the repository's configuration.
# usage: quickstart.sh REPOSITORY TASK CHECK
set -eu
repository=$1 task=$2 check=$3
cd "$repository"
if runr run --task "$task" --worktree --allow 'src/**' --verify "$check"; then
    runr report latest --kpi-only
else
    code=$?
    runr report latest
    exit "$code"
fi
