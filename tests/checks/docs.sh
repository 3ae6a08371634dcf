#!/bin/sh
# docs.sh - the documents say what the program does: README names every command, the Chinese README is its equal, docs/commands.md is
# `figment help --all`, the tour names every source folder, links lead somewhere.
cd "$(dirname "$0")/../.." || exit 1
command=${FIGMENT_BUILD:-build}/figment
bad=0
say() { # say NAME [COMPLAINT]
    if [ -n "${2:-}" ]; then
        echo "not ok docs: $1: $2"
        bad=1
    else
        echo "ok docs: $1"
    fi
}

# Every command's name, as its record has it.
missing=
for name in $(sed -n 's/^ *\.name = "\([a-z ]*\)",$/\1/p' $(grep -l '^const fig_command ' src/cli/*.c) | tr ' ' '_'); do
    name=$(echo "$name" | tr '_' ' ')
    grep -qF "$name" README.md || missing="$missing \"$name\""
done
say "README names every command" "${missing:+README.md lacks$missing}"

# Equal in Chinese: as many headings, table rows, pictures and links; the same code, line by line.
counts() { for pattern in '^## ' '^|' '!\[' '](docs/' '^- '; do grep -c -e "$pattern" "$1"; done | tr '\n' ' '; }
code() { awk '/^```/ { inside = !inside; print; next } inside || /^    [^ ]/ { print }' "$1"; }
differs=
[ "$(counts README.md)" = "$(counts README.zh.md)" ] ||
    differs="headings, rows, pictures, links, points: $(counts README.md)and $(counts README.zh.md)"
[ "$(code README.md)" = "$(code README.zh.md)" ] || differs="$differs the code blocks differ"
say "README.zh.md equals README.md" "$differs"

if [ -x "$command" ]; then
    line=$("$command" help --all | diff - docs/commands.md 2>&1 | head -n 2 | tail -n 1)
    say "docs/commands.md is figment help --all" "${line:+differs at: $line; run: $command help --all >docs/commands.md}"
else
    echo "skipped docs: $command is not built"
fi

missing=
for folder in src/*/; do
    ls "$folder" | grep -q . || continue
    grep -qF "\`$folder\`" docs/tour.md || missing="$missing $folder"
done
say "the tour names every source folder" "${missing:+docs/tour.md lacks$missing}"

missing=
for page in README.md README.zh.md docs/*.md; do
    for link in $(grep -o '](\([^)#]*\)' "$page" | sed 's/^](//' | grep -v '^http'); do
        [ -e "$(dirname "$page")/$link" ] || missing="$missing $page:$link"
    done
    # Files that a page names must exist: `src/...`, `include/...`, `tests/...`.
    for file in $(grep -oE '`(src|include|tests|examples|docs|share)/[A-Za-z0-9_./-]+`' "$page" | tr -d '`' | grep -v NAME); do
        [ -e "$file" ] || missing="$missing $page:$file"
    done
done
say "what the pages name is there" "${missing:+not there:$missing}"
exit $bad
