#!/bin/sh
# sizes.sh - no source file above 900 lines, no line above 140 columns (120 is the aim), no tab, no blank at a line's end, a head comment everywhere;
# no committed file above 1 MiB: data sets are fetched.
cd "$(dirname "$0")/../.." || exit 1
LC_ALL=C.UTF-8
export LC_ALL
found=$(find include src tests examples bench \( -name '*.c' -o -name '*.h' -o -name '*.def' \) 2>/dev/null | sort | while read -r file; do
    awk -v file="$file" '
        # Bytes after the first of a UTF-8 character do not take a column.
        { text = $0; gsub(/[\200-\277]/, "", text) }
        length(text) > 140 { wide++; first = first ? first : NR }
        /\t/ { print "not ok blanks: " file ":" NR ": a tab" }
        /[ \t]$/ { print "not ok blanks: " file ":" NR ": blanks at the end of the line" }
        NR == 1 {
            name = file; sub(/.*\//, "", name)
            if (substr($0, 1, 3) != "/* " || index($0, name " - ") == 0)
                print "not ok head: " file ": the first line must be a comment \"/* " name " - what it is for\""
        }
        END {
            if (wide) print "not ok width: " file ": " wide " lines above 140 columns, the first is " first
            if (NR > 900) print "not ok size: " file ": " NR " lines, at most 900; split it by idea"
        }' "$file"
done)
large=$(git ls-tree -r -l HEAD 2>/dev/null | awk '$4 > 1048576 { print "not ok size: " $5 ": " $4 " bytes are committed, at most 1 MiB" }')
found=$found$large
[ -z "$found" ] && echo "ok sizes" && exit 0
echo "$found"
exit 1
