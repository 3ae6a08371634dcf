#!/bin/sh
# start.sh - the command starts lightly: no library that belongs into a module, and `version` opens nothing
. "${FIGMENT_TESTS:-$(dirname "$0")/..}/cli/harness.inc"
command -v ldd >/dev/null || skip "no ldd here"
ldd "$FIGMENT" >libraries
for library in libav libsw libcurl libmpi libopen-rte; do lacks "$library" libraries; done
# Each library costs start-up time: version must start in under 10 ms. A new one belongs into a module, or is worth a new number here.
count=$(grep '\.so' libraries | grep -vcE 'lib(asan|ubsan)\.so') # the sanitizers' own run times do not count
[ "$count" -le 18 ] && ok || no "the command loads $count libraries at start, at most 18 are expected: $(cat libraries)"
HOME=/nonexistent expect 0 '' version
env -i "$FIGMENT" version >out 2>err && ok || no "version without an environment: $(cat err)"
has figment
finish
