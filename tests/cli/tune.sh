#!/bin/sh
# tune.sh - measured kernels: a run keeps the bits it began with, whatever becomes of the cache file; --no-tune; hostile cache files
. "${FIGMENT_TESTS:-$(dirname "$0")/..}/cli/harness.inc"
FIGMENT_HOME=$PWD/home
export FIGMENT_HOME
cache=home/cache/kernels.txt
pictures pics
# Large enough that products are worth measuring.
settings="--data pics --set body=mlp --set hidden=160 --set batch=40 --set log_every=1 --set sample_every=never --set checkpoint_every=4 --set schedule=constant --threads 2"
train() { # RUN STEPS [more]
    run=$1 steps=$2
    shift 2
    # shellcheck disable=SC2086
    "$FIGMENT" train vae $settings -o "$run" --steps "$steps" --quiet "$@" >/dev/null 2>err || no "train $run: $(cat err)"
}
# Every row of the cache names another kernel that the node accepts as well.
change() { sed -i -E 's/ onednn_matmul$/ matmul_packed/; t; s/ matmul_[a-z_]*$/ onednn_matmul/' $cache; }

train whole 12
there $cache
rows=$(wc -l <$cache)
[ "$rows" -ge 4 ] && ok || no "$rows rows in the cache"
grep -vqE '^[0-9a-f]{32} [a-z0-9_]+$' $cache && no "a row has another form" || ok

# The cache gives a second run the same kernels, and does not grow.
train second 12
same whole/model.safetensors second/model.safetensors
[ "$(wc -l <$cache)" = "$rows" ] && ok || no "the second run measured again"

# Gone on with after the cache was deleted, changed, or filled with anything: the same bits.
cp $cache kept
for what in deleted changed hostile; do
    cp kept $cache
    train $what 5
    case $what in
        deleted) rm $cache ;;
        changed) change ;;
        hostile) { head -c 3000 /dev/urandom; printf '\n%s\n' "$(cut -c1-32 kept | sed 's/$/ no_such_kernel/')" \
            0123456789abcdef0123456789abcdef "$(head -c 5000 /dev/zero | tr '\0' a)"; } >$cache ;;
    esac
    train $what 12 --resume
    same whole/model.safetensors $what/model.safetensors
    losses whole >a
    losses $what >b
    same a b
done

# The same for a run whose kernels are not the fixed ones.
cp kept $cache
change
train other_whole 12
train other 5
rm $cache
train other 12 --resume
same other_whole/model.safetensors other/model.safetensors
cp kept $cache

# A new run reads what is left of a damaged file, and repairs it.
head -c 3000 /dev/urandom >$cache
train repaired 4
grep -qE '^[0-9a-f]{32} [a-z0-9_]+$' $cache && ok || no "no row was written"
[ -z "$(find home/cache -name '*tmp*')" ] && ok || no "a temporary file is left"
rm -rf home
mkdir -p $cache # cannot be read or written
train unwritable 4
rm -rf home

# The fixed table: nothing is measured, and a run that began with it stays with it.
train fixed 5 --no-tune
[ ! -e $cache ] && ok || no "--no-tune wrote $cache"
mkdir -p home/cache
cp kept $cache
change
train fixed 12 --resume
train fixed_whole 12 --no-tune
same fixed/model.safetensors fixed_whole/model.safetensors

# Sampling and scoring use the fixed table unless they are told to measure.
rm -rf home
expect 0 '' sample whole -n 3 -o a.png --quiet
expect 0 '' eval whole --json
[ ! -e $cache ] && ok || no "sample or eval wrote $cache"
expect 0 '' sample whole -n 64 -o b.png --tune --quiet
grep -qE '^[0-9a-f]{32} [a-z0-9_]+$' b.png.kernels.txt && ok || no "sample --tune recorded no kernels"
[ ! -e a.png.kernels.txt ] && ok || no "sample recorded kernels without --tune"
expect 0 '' bench gpt_nano_cpu --steps 1 --tune --json
has '"kernels":[{"key":"'
expect 0 '' bench vae_mlp --steps 1 --json --set hidden=96,48 --data random:20x20x1 --batch 24
lacks '"kernels"'
expect 2 'exclude' bench vae_mlp --tune --no-tune
expect 2 'unknown setting' bench vae_mlp --steps 1 --set hiden=3
expect 0 '' eval whole --tune --json
there $cache
finish
