#!/bin/sh
# words.sh - things that may not stand in the sources, or not in the compiled library.
#
# The second half looks at the objects and not at the text, so that a comment cannot fail it and a macro cannot hide from it; it needs
# the static library of a build (the first argument or $FIGMENT_BUILD, else build/).
cd "$(dirname "$0")/../.." || exit 1
build=${1:-${FIGMENT_BUILD:-build}}
bad=0
no() { # no NAME TEXT: prints the lines that come in as complaints
    found=$(cat)
    if [ -n "$found" ]; then
        echo "$found" | sed "s|^|not ok $1: |; s|\$| ($2)|"
        bad=1
    else
        echo "ok $1"
    fi
}
words() { grep -rnE "$@" 2>/dev/null; }

words -i 'fast-math|-Ofast|unsafe-math|optimize *\(|GCC +optimize' src --include='*.[ch]' | grep -v '_fast\.c:' |
    grep -E '__attribute__|#pragma' | no fast-math 'only files named *_fast.c are compiled with it'
words '\b(TODO|FIXME|XXX|HACK)\b' src include examples bench tests --include='*.[ch]' | no unfinished 'a feature is finished or absent'
find src include -name 'util*.[ch]' -o -name 'common.[ch]' -o -name 'misc.[ch]' | no names 'files are named by their content'
words '"kernels/|dnnl|fig__kernel|cblas_|gemm *\(' src/recipes examples bench --include='*.[ch]' |
    no kernel-calls 'recipes, benches and examples describe; the executor runs kernels'
words '\b(for|while) *\(.*\b(step|steps|epoch|epochs|iteration|iterations)\b' src/recipes examples bench --include='*.[ch]' |
    no step-loops 'the trainer loops over steps'
words 'switch *\( *[a-z>.-]*op(->kind)? *\)|strcmp\([a-z_>.-]*op->name' src --include='*.[ch]' | grep -v '^src/kernels/' |
    no op-switches 'ask the record'

library=$build/libfigment.a
if [ ! -f "$library" ]; then
    echo "skipped globals: $library is not built"
    exit $bad
fi
# Mutable data: sections .data and .bss (constants with addresses are in .data.rel.ro, read-only once loaded). Two things
# are made once, under pthread_once, and constant after: the processor's description and oneDNN's engine.
# A symbol's line: flags section TAB size [.hidden] name.
symbols() {
    objdump -t "$library" 2>/dev/null | awk -F '	' -v mode="$1" '
        /file format/ { object = $1; sub(/:.*/, "", object); next }
        NF == 2 {
            count = split($1, left, " "); section = left[count]
            count = split($2, right, " "); name = right[count]
            if (mode == "missing" && section == "*UND*") print object " uses " name
            if (mode == "mutable" && section ~ /^(\.data|\.bss|\.tdata|\.tbss|\*COM\*)/ && section !~ /^\.data\.rel\.ro/ && name !~ /^\./)
                print object " " name
        }'
}
symbols mutable | grep -vE '^src_core_machine\.c\.o (machine|detected)$|^src_kernels_onednn\.c\.o (engine|stream|once)' |
    no globals 'no mutable variable outlives a call'
# Calls that belong to the host: it decides when to print, exit, catch signals, or change the floating-point mode.
calls='exit|_exit|abort|quick_exit|printf|puts|putchar|vprintf|__printf_chk|perror|stdout|stderr|fork|vfork|system|popen|signal'
calls="$calls|sigaction|setlocale|rand|srand|__assert_fail|feenableexcept|fesetenv|fesetround"
symbols missing | grep -E " uses ($calls)\$" | grep -vE '^src_core_bug\.c\.o uses (abort|stderr)$' |
    no host-calls 'that is for the host to decide'
exit $bad
