#!/bin/sh
# headers.sh - every public header compiles on its own, as strict C17 and as C++17; without a C++ compiler the second is skipped.
cd "$(dirname "$0")/../.." || exit 1
bad=0

compiles() { # compiles LANGUAGE COMPILER ARGUMENT...: every header by itself, one result
    language=$1
    shift
    good=1
    for header in include/figment/*.h; do
        name=${header#include/}
        if ! out=$(echo "#include <$name>" | "$@" -Wall -Wextra -Werror -Iinclude -fsyntax-only - 2>&1); then
            echo "not ok headers as $language: $name: $(echo "$out" | grep -m1 error)"
            good=0
            bad=1
        fi
    done
    [ $good = 0 ] || echo "ok headers as $language"
}

compiles C gcc -std=c17 -Wpedantic -x c
if command -v g++ >/dev/null; then
    compiles C++ g++ -std=c++17 -x c++
else
    echo "skipped headers as C++: g++ is not installed"
fi
exit $bad
