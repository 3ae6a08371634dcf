#!/bin/sh
# kill.sh - kill -9 at three moments of a run of each recipe; going on ends in the same weights and the same logged losses
#
# tests/nightly/kill_resume.sh does this twenty times on longer runs.
. "${FIGMENT_TESTS:-$(dirname "$0")/..}/cli/harness.inc"
recipes='vae vqvae gan dcgan gpt rnn'
[ -z "${FIGMENT_SANITIZED:-}" ] || recipes='vae gpt'

for recipe in $recipes; do
    tiny $recipe
    steps=120
    # shellcheck disable=SC2086
    "$FIGMENT" train $recipe --data $data -o $recipe-whole --steps $steps $settings --quiet >/dev/null 2>err ||
        { no "figment train $recipe: $(cat err)"; continue; }
    for moment in 2 9 17; do # log lines, of 24
        # shellcheck disable=SC2086
        "$FIGMENT" train $recipe --data $data -o $recipe-killed --steps $steps $settings --resume --quiet >/dev/null 2>>err &
        job=$!
        for _ in $(seq 2400); do
            [ -f $recipe-killed/log.jsonl ] && [ "$(wc -l <$recipe-killed/log.jsonl)" -ge $moment ] && break
            kill -0 $job 2>/dev/null || break
            sleep 0.02
        done
        kill -9 $job 2>/dev/null
        wait $job 2>/dev/null
    done
    expect 0 '' train --resume -o $recipe-killed --quiet
    same $recipe-whole/model.safetensors $recipe-killed/model.safetensors
    losses $recipe-whole >a
    losses $recipe-killed >b
    same a b
done
finish
