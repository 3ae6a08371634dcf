#!/bin/sh
# help.sh - help on standard output, for every command, and the same facts everywhere
. "${FIGMENT_TESTS:-$(dirname "$0")/..}/cli/harness.inc"

expect 0 '' help
for verb in recipes 'data get' new train sample eval show doctor bench version; do has "figment $verb"; done
for verb in recipes data new train sample eval show bench doctor version help; do
    expect 0 '' help $verb
    has 'usage: figment'
done
expect 0 '' train -h
has '--resume'
lacks 'examples:'
expect 0 '' train --help
has 'examples:'
expect 0 '' data get --help
has 'figment data get DATASET...'
expect 0 '' --help
expect 2 'no command' help nonsense
# Help wins over other mistakes on the line, and nothing is done.
expect 0 '' train vae --data x -h
expect 0 '' help --all
has '## figment train'
has '### vae'
lacks "$(printf '\033')"
# Colours only when asked for here: this is no terminal.
expect 0 '' recipes
lacks "$(printf '\033')"
expect 0 '' recipes --color=always
has "$(printf '\033')"
CLICOLOR_FORCE=1 "$FIGMENT" recipes >out 2>err
has "$(printf '\033')"
CLICOLOR_FORCE=1 NO_COLOR=1 "$FIGMENT" recipes >out 2>err
lacks "$(printf '\033')"
expect 0 '' version
grep -qE '^figment [0-9]+\.[0-9]+\.[0-9]+$' out && ok || no "version prints $(cat out)"
# A list in an explanation stays one.
expect 0 '' help eval
grep -q '^  kernel      kernel_distance: ' out && ok || no 'the metrics of eval are not a list'

finish
