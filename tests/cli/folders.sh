#!/bin/sh
# folders.sh - bad picture folders: each gets one clear line or a counted skip, never a crash, a hang or half a model
. "${FIGMENT_TESTS:-$(dirname "$0")/..}/cli/harness.inc"
FIGMENT_HOME=$PWD/home
export FIGMENT_HOME

tiny_run vae run || finish
tiny vae
expect 0 '' sample run -n 110 -o good/
first=$(ls good | head -n 1)
# bad FOLDER CODE TEXT: looking, checking and training say the same, and no run folder is left behind.
bad() {
    expect "$2" "$3" data info "$1"
    expect "$2" "$3" data check "$1"
    # shellcheck disable=SC2086
    expect "$2" "$3" train vae --data "$1" -o never --steps 5 $settings
    [ -e never ] && no "training on $1 left a run folder"
}

# No picture at all: an empty folder, one with empty folders in it, one of other things.
mkdir -p empty nested/a/b other
printf 'PK\003\004zip' >other/archive.zip
bad empty 3 'empty: an empty folder'
bad nested 3 'nested: an empty folder'
bad other 4 'none of its 1 files is data of a known kind (the first is archive.zip)'

# A single picture: fine to look at and to train on, but it cannot be split.
mkdir one && cp "good/$first" one/
expect 0 '' data check one
has 'learn them by heart'
# shellcheck disable=SC2086
expect 0 '' train vae --data one -o one-run --steps 5 $settings
# shellcheck disable=SC2086
expect 2 'a single item cannot be split' train vae --data one -o never --steps 5 $settings --set validation=0.1

# A text file called .png: named and counted beside good ones, an error alone.
mkdir text && echo 'I am no picture' >text/a.png
bad text 4 'a.png: neither PNG, JPEG nor WebP (first bytes 49 20 61 6d)'
cp -r good with-text && cp text/a.png with-text/fake.png
expect 0 'skipped fake.png: neither PNG, JPEG nor WebP' data info with-text
has 'skipped      1'
# shellcheck disable=SC2086
expect 0 'skipped fake.png' train vae --data with-text -o text-run --steps 5 $settings
# A picture under another format's name is a picture.
cp -r good renamed && mv "renamed/$first" renamed/zzz.jpg
expect 0 '' data check renamed

# 20,000 x 20,000 pixels: refused by its header, before memory is taken.
mkdir huge
printf '\377\330\377\300\000\021\010\116\040\116\040\003\001\042\000\002\021\001\003\021\001\377\331' >huge/a.jpg
bad huge 4 '20000 x 20000 pixels, more than the limit'
cp -r good with-huge && cp huge/a.jpg with-huge/
expect 0 'skipped a.jpg: 20000 x 20000 pixels' data info with-huge

# Truncated files: one in a hundred is left out with its name; more than that stops before training.
cp -r good cut
head -c 90 "good/$first" >"cut/$first"
expect 0 "skipped $first: truncated PNG" data info cut
expect 8 'found errors' data check cut
has "$first"
i=0
for file in good/*; do
    i=$((i + 1))
    [ $i -gt 12 ] || head -c $((i * 9)) "$file" >"cut/${file##*/}"
done
# shellcheck disable=SC2086
expect 4 'more than one in a hundred' train vae --data cut -o never --steps 5 $settings
[ -e never ] && no "a refused command left a run folder"
has 'skipped 12 items in all' err
: >huge/a.jpg
bad huge 4 'the file is empty'

# Mixed sizes: shown, and brought to one size.
mkdir mixed && cp good/* mixed/
tiny_run vae small --set size=16 && expect 0 '' sample small -n 3 -o mixed/small/
expect 0 '' data info mixed --json
has '"mixed_sizes":true'
has '{"height":16,"width":16,"items":3}'
# shellcheck disable=SC2086
expect 0 '' train vae --data mixed -o mixed-run --steps 5 $settings
head -c 4000 mixed-run/model.safetensors >head
has '\"height\":32,\"width\":32' head

# An unreadable folder, and an unreadable file among good ones. The superuser reads everything, so somebody else has to try.
cp -r good locked && mkdir locked/inner && cp "good/$first" locked/inner/
chmod 000 locked/inner "locked/$first"
if [ "$(id -u)" != 0 ]; then
    expect 5 'locked/inner' data info locked
    chmod 755 locked/inner
    expect 0 "skipped $first" data info locked
elif setpriv --reuid=65534 --regid=65534 --clear-groups test -x "$FIGMENT" -a -r good -a -x . 2>/dev/null; then
    mkdir other-home && chmod 777 other-home
    as_nobody() { FIGMENT_HOME=$PWD/other-home setpriv --reuid=65534 --regid=65534 --clear-groups "$FIGMENT" "$@"; }
    as_nobody data info locked >out 2>err && no 'an unreadable folder was read'
    has 'locked/inner' err
    chmod 755 locked/inner
    if as_nobody data info locked >out 2>err; then ok; else no "one unreadable file: $(cat err)"; fi
    has "skipped $first" err
else
    echo 'the folder without permission was not tried: nobody may not come here' >&2
fi
chmod -R u+rwX locked
finish
