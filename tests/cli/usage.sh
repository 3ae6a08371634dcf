#!/bin/sh
# usage.sh - wrong words on the command line: exit codes, one line, and what was probably meant
. "${FIGMENT_TESTS:-$(dirname "$0")/..}/cli/harness.inc"

expect 2 'which command?'
expect 2 'did you mean `figment train`?' trian
expect 2 'did you mean `figment data get`?' data gte
expect 2 'figment help data' data
expect 2 '`figment help` lists all' quux
expect 2 'unknown option --epoch; did you mean --epochs?' train vae --epoch 3
expect 2 'did you mean --temperature?' sample x --temperatur 1
expect 2 'did you mean --set lr=VALUE?' train vae --lr 1
expect 2 'did you mean --set latent=VALUE?' train vae --latent 1
expect 2 'figment help train' train vae --zzzzzz
expect 2 'unknown option -z' sample x -z
expect 2 '--prompt needs a value' sample x --prompt
expect 2 'usage: figment eval [RUN|MODEL]' eval
expect 2 'unexpected argument "b"' sample a b
expect 2 'threads: "many" is not a whole number' train vae --threads many
expect 2 'out of range' sample x --temperature -1
expect 2 'top_p: 2 is out of range' sample x --top-p 2
expect 2 'is not one of: auto, always, never' version --color=blue
expect 2 'train what?' train
expect 2 'add --data' train vae
expect 2 'expected NAME=VALUE' train vae --data x --set lr
expect 2 '--dump-graph goes with --dry-run' train vae --data x --dump-graph g.txt
expect 2 'which run? add -o RUN' train vae --data x --resume
expect 3 'did you mean vae?' train vea --data x
expect 3 'no such run file' train nothing.yaml
expect 3 'did you mean dcgan?' new dcgn
expect 3 'did you mean gpt?' recipes gptt
expect 3 'did you mean dcgan64?' bench dcgan46
expect 3 'nothing-here' train vae --data ./nothing-here -o run
expect 3 'nowhere' sample nowhere
expect 3 'nowhere' eval nowhere
expect 3 'nowhere' show nowhere
expect 3 '' data info ./nowhere
expect 3 'no-such-set' data get no-such-set
mkdir empty
expect 3 'run.yaml' train --resume -o empty
[ -e run ] && no "a refused command left a run folder"

# A full disk behind a redirection is an error, not a success.
if [ -c /dev/full ]; then
    "$FIGMENT" version >/dev/full 2>err
    [ $? = 5 ] && ok || no "version into a full device: exit code not 5"
    has 'standard output' err
fi

# Words that begin with a dash, repeated flags, values with "=".
expect 3 'did you mean' train -- vea
expect 0 '' version --json=false
has 'figment '
lacks schema
expect 0 '' -V
expect 2 'is neither true nor false' version --quiet=maybe
finish
