#!/bin/sh
# data.sh - looking at data: folders, a broken picture, synthetic sets, and where fetched things may not come from
. "${FIGMENT_TESTS:-$(dirname "$0")/..}/cli/harness.inc"
FIGMENT_HOME=$PWD/home
export FIGMENT_HOME

pictures pics
expect 0 '' data info pics
has 200
has 28
expect 0 '' data info idx:pics
expect 0 '' data check pics
# Test pictures that stand in train as well are an error.
cp -r pics leaking && idx_pictures leaking/t10k-images-idx3-ubyte 40 28
expect 8 'found errors' data check leaking
has leak
words text.txt
expect 0 '' data info text.txt
has text
expect 0 '' data info synthetic:ring8
expect 3 'synthetic' data info synthetic:nothing
expect 3 'nothing' data info nothing:pics
expect 3 '' data info fashion-mnist --offline
expect 0 '' data list
has 'fashion-mnist'

# A picture folder with one broken file in a hundred: skipped, counted, named; training goes on.
tiny_run vae run || finish
expect 0 '' sample run -n 100 -o folder/
first=$(ls folder | head -n 1)
head -c 60 "folder/$first" >broken && cp broken "folder/$first"
expect 0 '' data info folder
expect 8 'found errors' data check folder
has "$first"
tiny vae
# shellcheck disable=SC2086
expect 0 "$first" train vae --data folder -o folder-run --steps 10 $settings
# Nothing but broken files is an error.
mkdir ruins && cp broken ruins/a.png && cp broken ruins/b.png
# shellcheck disable=SC2086
expect 4 'ruins' train vae --data ruins -o never --steps 10 $settings
[ -e never ] && no "a refused command left a run folder"
finish
