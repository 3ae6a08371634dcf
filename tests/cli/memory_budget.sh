#!/bin/sh
# memory_budget.sh - --memory-budget: the plan shows what is computed again, bits stay, a resumed run keeps it, bad values are refused
. "${FIGMENT_TESTS:-$(dirname "$0")/..}/cli/harness.inc"
words text.txt
settings="--data text.txt --set layers=3 --set heads=2 --set width=64 --set context=64 --set batch=16 --set sample_every=never --set checkpoint_every=4 --set log_every=1 --set schedule=constant --threads 1 --no-tune"
train() { # RUN STEPS [more]
    run=$1 steps=$2
    shift 2
    # shellcheck disable=SC2086
    "$FIGMENT" train gpt $settings -o "$run" --steps "$steps" --quiet "$@" >/dev/null 2>err || no "train $run: $(cat err)"
}
number() { sed -E "s/.*\"$1\": ?([0-9.]+).*/\1/" out; }

# shellcheck disable=SC2086
expect 0 '' train gpt $settings --dry-run --json
whole=$(number planned_mb)
lacks recomputed
# planned_mb has one decimal, so the budget has no more.
budget=$(awk -v whole="$whole" 'BEGIN { printf "%.1f", 0.6 * whole }')
# shellcheck disable=SC2086
expect 0 '' train gpt $settings --dry-run --json --memory-budget "${budget}MB"
for key in live_mb memory_budget_mb unbudgeted_mb recomputed_flops_per_step recomputed layer; do has "\"$key\":"; done
awk -v part="$(number planned_mb)" -v budget="$budget" 'BEGIN { exit !(part <= budget) }' && ok || no "planned $(number planned_mb) of $budget MB"
awk -v before="$(number unbudgeted_mb)" -v whole="$whole" 'BEGIN { exit !(before == whole) }' && ok || no "$(number unbudgeted_mb) is not $whole"
# shellcheck disable=SC2086
expect 0 '' train gpt $settings --dry-run --memory-budget "${budget}MB"
has recomputed

# The same bits, also through a stop; run.yaml keeps the budget; a resumed run may have another.
train plain 10
train small 10 --memory-budget "${budget}MB"
same plain/model.safetensors small/model.safetensors
losses plain >a
losses small >b
same a b
train stopped 5 --memory-budget "${budget}MB"
has "memory_budget: ${budget}MB" stopped/run.yaml
"$FIGMENT" train --resume -o stopped --steps 10 --quiet >/dev/null 2>err || no "resume: $(cat err)"
same plain/model.safetensors stopped/model.safetensors
train changed 5
# shellcheck disable=SC2086
train changed 10 --resume --memory-budget "${budget}MB"
has "memory_budget: ${budget}MB" changed/run.yaml
same plain/model.safetensors changed/model.safetensors

# Refused: no amount, too little, less than the weights.
# shellcheck disable=SC2086
expect 2 '1MB to 1000TB' train gpt $settings -o bad --memory-budget lots
# shellcheck disable=SC2086
expect 2 '1MB to 1000TB' train gpt $settings -o bad --memory-budget 10kB
# shellcheck disable=SC2086
expect 6 'needs at least' train gpt $settings --dry-run --memory-budget 5MB
# shellcheck disable=SC2086
expect 6 'alone' train gpt $settings --dry-run --memory-budget 1MB
# In a run file; and in a benchmark.
"$FIGMENT" new gpt -o run.yaml >/dev/null 2>err || no "new: $(cat err)"
has memory_budget run.yaml
expect 0 '' bench gpt_nano_cpu --steps 1 --no-tune --memory-budget 20MB --json
expect 6 'memory_budget' bench gpt_nano_cpu --steps 1 --no-tune --memory-budget 8MB
finish
