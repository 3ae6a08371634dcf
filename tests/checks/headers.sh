#!/bin/sh
# headers.sh - every public header compiles on its own, as strict C17 and, where a C++ compiler is installed, as C++17.
cd "$(dirname "$0")/../.." || exit 1
bad=0
for header in include/figment/*.h; do
    name=${header#include/}
    if ! out=$(echo "#include <$name>" | gcc -std=c17 -Wall -Wextra -Wpedantic -Werror -Iinclude -fsyntax-only -x c - 2>&1); then
        echo "not ok headers: $name as C: $(echo "$out" | grep -m1 error)"
        bad=1
    fi
    if command -v g++ >/dev/null && ! out=$(echo "#include <$name>" |
        g++ -std=c++17 -Wall -Wextra -Werror -Iinclude -fsyntax-only -x c++ - 2>&1); then
        echo "not ok headers: $name as C++: $(echo "$out" | grep -m1 error)"
        bad=1
    fi
done
[ $bad = 0 ] && echo "ok headers"
exit $bad
