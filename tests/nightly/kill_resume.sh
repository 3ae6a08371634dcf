#!/bin/sh
# kill_resume.sh - kill -9 at twenty random moments of a 200-step run of each recipe, --resume after each: the final weights and every
# logged loss must equal the uninterrupted run's, bit for bit. Runs in a temporary folder; takes some minutes.
#
#   tests/nightly/kill_resume.sh [RECIPE]...     FIGMENT = the command (default build/figment), KILLS = 20, SEED = of the moments
cd "$(dirname "$0")/../.." || exit 1
FIGMENT=${FIGMENT:-$PWD/build/figment}
FIGMENT_TESTS=$PWD/tests
. tests/cli/harness.inc
kills=${KILLS:-20}
seed=${SEED:-$(date +%s)}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
FIGMENT_HOME=$work/home # measured kernels; a resumed run takes its own from the checkpoint
export FIGMENT_HOME
echo "seed of the moments: $seed"

now() { date +%s%N | cut -c1-13; }
for recipe in ${*:-vae vqvae gan dcgan gpt}; do
    tiny $recipe
    settings="$settings --set checkpoint_every=7 --set log_every=1"
    begun=$(now)
    # shellcheck disable=SC2086
    "$FIGMENT" train $recipe --data $data -o whole-$recipe --steps 200 $settings --quiet >/dev/null 2>err ||
        { no "figment train $recipe: $(cat err)"; continue; }
    took=$(($(now) - begun))
    kill=0
    while [ $kill -lt "$kills" ]; do
        kill=$((kill + 1))
        # A moment within the time of the whole run, so that start-up, checkpoints and the end are hit as well.
        seed=$(((seed * 1103515245 + 12345) % 2147483648))
        wait_ms=$((seed / 7 % (took + took / 10)))
        # shellcheck disable=SC2086
        "$FIGMENT" train $recipe --data $data -o killed-$recipe --steps 200 $settings --resume --quiet >/dev/null 2>err &
        job=$!
        sleep "$(printf '%d.%03d' $((wait_ms / 1000)) $((wait_ms % 1000)))"
        if kill -9 $job 2>/dev/null; then
            wait $job 2>/dev/null
        else # it had finished: begin anew
            wait $job 2>/dev/null || no "$recipe: $(cat err)"
            same whole-$recipe/model.safetensors killed-$recipe/model.safetensors
            rm -rf killed-$recipe
        fi
    done
    # shellcheck disable=SC2086
    expect 0 '' train $recipe --data $data -o killed-$recipe --steps 200 $settings --resume --quiet
    same whole-$recipe/model.safetensors killed-$recipe/model.safetensors
    losses whole-$recipe >a
    losses killed-$recipe >b
    same a b
    echo "$recipe: $kills kills"
done
finish
