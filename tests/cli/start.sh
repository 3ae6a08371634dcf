#!/bin/sh
# start.sh - the command starts lightly: no library that belongs into a module, and `version` opens nothing
. "${FIGMENT_TESTS:-$(dirname "$0")/..}/cli/harness.inc"
command -v ldd >/dev/null || skip "no ldd here"
ldd "$FIGMENT" >libraries
for library in libav libsw libcurl libmpi libopen-rte; do lacks "$library" libraries; done
HOME=/nonexistent expect 0 '' version
env -i "$FIGMENT" version >out 2>err && ok || no "version without an environment: $(cat err)"
has figment
finish
