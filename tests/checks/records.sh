#!/bin/sh
# records.sh - every record (an op, a kernel, a recipe, ...) is one row of its folder's .def list, and every row has its record.
#
# A record is a line "const fig_KIND fig_KIND_NAME = {" of a .c file, with two underscores where the kind is internal; its row is
# FIG_KIND(NAME) in a .def file. Rows whose records a macro makes (FIG_POINTWISE, FIG_COMPARE) are the exception: there the row is the
# record.
cd "$(dirname "$0")/../.." || exit 1
awk '
FILENAME ~ /\.def$/ && /^FIG_[A-Z_]+\(/ {
    kind = $0; sub(/\(.*/, "", kind); sub(/^FIG_/, "", kind)
    if (kind == "POINTWISE" || kind == "COMPARE") next
    name = $0; sub(/^[^(]*\(/, "", name); sub(/[,)].*/, "", name)
    kind = tolower(kind)
    if ((kind, name) in row) { print "not ok records: " FILENAME ": " kind " " name " stands twice"; bad++ }
    row[kind, name] = FILENAME
    kinds[kind] = 1
}
FILENAME ~ /\.c$/ && /^const fig_[a-z_]+ fig_[a-z0-9_]+ = *\{/ {
    type = $2; name = $3
    sub(/^fig__/, "fig_", type); sub(/^fig__/, "fig_", name); sub(/_kind$/, "", type)
    if (index(name, type "_") == 1) {
        kind = type; sub(/^fig_/, "", kind)
        record[kind, substr(name, length(type) + 2)] = FILENAME
    }
}
END {
    split("op kernel recipe source format metric command pass optimizer schedule", known, " ")
    for (i in known) kinds[known[i]] = 1
    for (key in row) {
        split(key, part, SUBSEP)
        if (!(key in record)) { print "not ok records: " row[key] ": row " part[2] " has no record fig_" part[1] "_" part[2]; bad++ }
    }
    for (key in record) {
        split(key, part, SUBSEP)
        if (part[1] in kinds && !(key in row)) {
            print "not ok records: " record[key] ": fig_" part[1] "_" part[2] " is in no .def list"; bad++
        }
    }
    if (!bad) print "ok records"
    exit bad > 0
}' src/*/*.def src/*/*.c
