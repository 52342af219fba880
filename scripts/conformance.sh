#!/usr/bin/env bash
# The conformance suite of every model, under the race detector, again and
# again: what it lets through once in ten times is a fault too.
#
#     scripts/conformance.sh        ten times
#     scripts/conformance.sh 50
set -euo pipefail
cd "$(dirname "$0")/.."
exec go test -race -count="${1:-10}" -timeout 60m ./models/...
