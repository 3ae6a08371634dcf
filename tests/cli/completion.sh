#!/bin/sh
# completion.sh - the Tab key: candidates from the tables, and the scripts in the shells that are there
. "$(dirname "$0")/harness.inc"

offers() { # offers CANDIDATE WORD...: for the last of the words
    candidate=$1
    shift
    expect 0 '' completion words -- "$@"
    cut -f1 out | grep -qxF -e "$candidate" && ok || no "$* + Tab lacks $candidate: $(head -c 200 out)"
}
offers 'train' t
offers 'get' data g
offers 'data' d
offers 'dcgan' train dc
offers 'vae' train ''
offers '--preset' train dcgan --p
offers 'mnist-5x5-short' train dcgan --preset m
offers 'epochs=' train dcgan --set ep
offers 'critic.dropout=' train dcgan --set critic
offers 'fashion-mnist' train vae --data f
offers 'bf16' sample x --weights b
offers 'plain' train vae --progress p
offers 'gpt_nano_cpu' bench gpt
expect 0 '' completion words -- train dcgan -o ''
[ ! -s out ] && ok || no "a file's name has candidates: $(cat out)"
expect 0 '' completion words -- nonsense x
expect 0 '' completion words
has train
expect 2 'expected bash, zsh or fish' completion tcsh
expect 2 '' completion

PATH=$(dirname "$FIGMENT"):$PATH
if command -v bash >/dev/null; then
    "$FIGMENT" completion bash >figment.bash
    got=$(bash -c 'compopt() { :; }; . ./figment.bash; COMP_WORDS=(figment train dcgan --preset mnist-5x5-s); COMP_CWORD=4; _figment; echo "${COMPREPLY[*]}"')
    [ "$got" = mnist-5x5-short ] && ok || no "bash completes to \"$got\""
fi
if command -v zsh >/dev/null; then
    "$FIGMENT" completion zsh >_figment
    got=$(zsh -fc 'compdef() { :; }; _describe() { print -r -- ${(P)2} }; _files() { :; }; . ./_figment; words=(figment train dcgan --preset mnist-5x5-s); CURRENT=5; _figment')
    case $got in 'mnist-5x5-short:listing A'*) ok ;; *) no "zsh completes to \"$got\"" ;; esac
fi
if command -v fish >/dev/null; then
    "$FIGMENT" completion fish >figment.fish
    got=$(HOME=$PWD fish -c 'source figment.fish; complete -C "figment train dcgan --preset mnist-5x5-s"')
    case $got in mnist-5x5-short*) ok ;; *) no "fish completes to \"$got\"" ;; esac
fi
finish
