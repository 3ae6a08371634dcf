#!/bin/sh
# bf16.sh - training with --precision bf16: near f32, the same bits after a kill, smaller; on processors without it f32 and a word
. "${FIGMENT_TESTS:-$(dirname "$0")/..}/cli/harness.inc"
pictures pics
settings="--data pics --set body=mlp --set hidden=160 --set batch=40 --set log_every=1 --set sample_every=never --set checkpoint_every=4 --set schedule=constant --threads 2"
train() { # RUN STEPS [more]
    run=$1 steps=$2
    shift 2
    # shellcheck disable=SC2086
    "$FIGMENT" train vae $settings -o "$run" --steps "$steps" --quiet "$@" >/dev/null 2>err || no "train $run: $(cat err)"
}
expect 2 'f32, bf16' train vae --data pics -o bad --precision f16
train f32 12
if ! grep -qw avx512_bf16 /proc/cpuinfo; then
    "$FIGMENT" train vae --data pics -o fallback --steps 2 --precision bf16 >/dev/null 2>err
    has 'no bf16 arithmetic' err
    finish
fi
train bf16 12 --precision bf16
[ ! -s err ] && ok || no "a training in bf16 said: $(cat err)"
differ f32/model.safetensors bf16/model.safetensors
train cut 6 --precision bf16
train cut 12 --precision bf16 --resume
same bf16/model.safetensors cut/model.safetensors
# shellcheck disable=SC2086
expect 2 '' train vae $settings -o cut --steps 14 --precision f32 --resume

# The last losses agree to a percent: bf16 has eight bits, and a loss adds up thousands of numbers.
last() { sed -n '$s/.*"loss.elbo": *\([0-9.]*\).*/\1/p' "$1/log.jsonl"; }
awk -v a="$(last f32)" -v b="$(last bf16)" 'BEGIN { exit !(a > 0 && b / a < 1.01 && b / a > 0.99) }' && ok ||
    no "the last loss is $(last f32) in f32 and $(last bf16) in bf16"
expect 0 '' eval bf16 --json
expect 0 '' sample bf16 -n 4 -o a.png
planned() { "$FIGMENT" train dcgan --data pics --set size=28 --dry-run --json --precision "$1" 2>/dev/null | sed -n 's/.*"planned_mb": *\([0-9.]*\).*/\1/p'; }
awk -v a="$(planned f32)" -v b="$(planned bf16)" 'BEGIN { exit !(a > 0 && b < 0.9 * a) }' && ok ||
    no "bf16 plans $(planned bf16) MB, f32 $(planned f32) MB"
finish
