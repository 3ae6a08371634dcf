#!/bin/sh
# links.sh - what the command loads at start: nothing that belongs into a module (FFmpeg, libcurl, MPI), and no fast-math start-up code.
cd "$(dirname "$0")/../.." || exit 1
command=${FIGMENT_BUILD:-build}/figment
if [ ! -x "$command" ]; then
    echo "skipped links: $command is not built"
    exit 0
fi
bad=0
found=$(ldd "$command" | grep -oE 'lib(av[a-z]*|sw[a-z]*|curl[a-z-]*|mpi|open-rte|sndfile|microhttpd)\.so[^ ]*' | tr '\n' ' ')
if [ -n "$found" ]; then
    echo "not ok links: $command loads $found; open it in a module on first use"
    bad=1
fi
if nm "$command" 2>/dev/null | grep -q 'set_fast_math'; then
    echo "not ok links: $command contains set_fast_math; -ffast-math reached a link line"
    bad=1
fi
[ $bad = 0 ] && echo "ok links"
exit $bad
