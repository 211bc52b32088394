#!/usr/bin/env bash
# May the new model replace the old one? A step of a CI job: it fails unless harm of more than a point is ruled out.
#
#     bash examples/gate_in_ci.sh OLD_RUN NEW_RUN [POINTS]
#
# `liftune compare --max-harm` asks both models the same test rows. Its exit code is 0 where the 95% interval of the
# difference rules out that the new model is worse by more than so many points, 1 where it does not, and 2 where the two
# cannot be compared. "Not ruled out" is no proof of harm: with few test rows, it is the usual answer.
set -euo pipefail

old=${1:?name the run of the model in use}
new=${2:?name the run of the new model}
points=${3:-1}

if liftune compare "$old" "$new" --max-harm "$points"; then
    echo "deploy $new"
else
    code=$?
    [ "$code" = 1 ] && echo "keep $old: harm of more than $points points is not ruled out"
    exit "$code"
fi
